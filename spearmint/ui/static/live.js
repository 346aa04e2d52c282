// Brings what has changed into the page while nobody is in the middle of it.
"use strict";
const EVERY = 5000;

async function refresh() {
  const region = document.getElementById("live");
  if (document.hidden || region.contains(document.activeElement) || !getSelection().isCollapsed) return;
  const status = document.getElementById("updated");
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh.innerHTML !== region.innerHTML) region.replaceChildren(...fresh.childNodes);
    status.textContent = "as of " + new Date().toLocaleTimeString();
  } catch (error) {
    status.textContent = "no answer since " + new Date().toLocaleTimeString();
  }
}

setInterval(refresh, EVERY);
