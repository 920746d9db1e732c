// After a part of the page was replaced: say what changed, and keep the keyboard where it was.
"use strict";

let pressed = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  const place = event.detail.elt.closest("section");
  pressed = { id: event.detail.elt.id, home: place && place.getAttribute("aria-labelledby") };
});

document.addEventListener("htmx:afterSettle", (event) => {
  const now = document.getElementById(event.detail.target.id); // the target itself is gone
  const told = now && now.querySelector("[data-told]");
  document.getElementById("live").textContent = told ? told.textContent : "";
  if (pressed === null || document.activeElement !== document.body) return;
  const next = document.getElementById(pressed.id) || document.getElementById(pressed.home);
  (next || document.getElementById("main")).focus({ preventScroll: true });
});

// Links that act as buttons are pressed with the space bar, too.
document.addEventListener("keydown", (event) => {
  if (event.key === " " && event.target.matches("a[role=button]")) {
    event.preventDefault();
    event.target.click();
  }
});
