"""What was set aside or dead-lettered: find it, understand it by its code, send it back. Never a body on any screen."""
