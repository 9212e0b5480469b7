// The menu on small screens.

const button = document.querySelector("[data-menu]");
const side = document.getElementById("side");

function show(open) {
  side.classList.toggle("open", open);
  button.setAttribute("aria-expanded", String(open));
}

if (button && side) {
  document.documentElement.classList.add("with-menu");
  button.addEventListener("click", () => show(!side.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && side.classList.contains("open")) {
      show(false);
      button.focus();
    }
  });
}

// A table that is wider than its place scrolls sideways: by keys too, so it takes the focus then.

function reach(region) {
  if (region.scrollWidth > region.clientWidth) {
    region.tabIndex = 0;
    region.setAttribute("role", "group");
    region.setAttribute("aria-label", "Table, scrolls sideways");
  } else {
    region.removeAttribute("tabindex");
    region.removeAttribute("role");
    region.removeAttribute("aria-label");
  }
}

// Fonts, times and windows change widths after the page has come.
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) reach(target.closest(".scroll, .report-scroll"));
});

function watch(root) {
  for (const region of root.querySelectorAll(".scroll, .report-scroll")) {
    reach(region);
    sizes.observe(region);
    if (region.firstElementChild) sizes.observe(region.firstElementChild);
  }
}

watch(document);
document.addEventListener("htmx:afterSwap", (event) => watch(event.target));
