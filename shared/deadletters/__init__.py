"""What is known of each message that lies aside, without PHI, and the plans to move some of them. See port.py."""
