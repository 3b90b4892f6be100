// Keeps a part of a page fresh: asks the server for it again, as HTML that the server has escaped. Without script, reload.
"use strict";

const reader = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });

for (const part of document.querySelectorAll("[data-poll]")) {
  const button = document.querySelector(`[data-pause="${part.id}"]`);
  const every = 1000 * Number(part.dataset.every);
  let paused = false;
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.textContent = paused ? "Resume updates" : "Pause updates";
    });
  }
  const note = document.createElement("p");
  note.className = "stale";
  note.setAttribute("role", "status");
  part.after(note);
  let since = new Date();
  const poll = async () => {
    const busy = part.contains(document.activeElement) && document.activeElement !== document.body;
    if (!paused && !document.hidden && !busy) {
      try {
        const answer = await fetch(part.dataset.poll, { credentials: "same-origin", redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        part.innerHTML = await answer.text();
        since = new Date();
        note.textContent = "";
      } catch {
        note.textContent = `No answer since ${reader.format(since)} UTC; what you see is from then.`;
      }
      if (part.dataset.until && part.querySelector(part.dataset.until)) {
        location.reload();
        return;
      }
    }
    setTimeout(poll, every);
  };
  setTimeout(poll, every);
}
