// Every time is written in UTC by the server; here the reader's own is added behind it.

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const when = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(when.getTime())) continue;
    element.dataset.local = "1";
    const local = when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    element.title = `Your time: ${local}`;
    if (element.hasAttribute("data-show-local")) {
      const span = document.createElement("span");
      span.className = "quiet small";
      span.textContent = ` (${local} your time)`;
      element.append(span);
    }
  }
}

localise(document);
document.addEventListener("htmx:afterSwap", (event) => localise(event.target));
