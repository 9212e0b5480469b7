// The polled panel shows where a request stands; when that changes, the rest of the page is fetched anew as well.

const panel = document.getElementById("status");
const state = () => panel.querySelector("[data-state]")?.dataset.state;
const shown = state();

panel.addEventListener("htmx:afterSwap", () => {
  if (state() !== shown) location.reload();
});
