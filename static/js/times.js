// Every time is written in UTC by the server; here the reader's own is added behind it.

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en-GB", { numeric: "always" });

// "in 3 hours", "2 days ago": as the page was opened, beside the moment itself.
function distance(when) {
  const seconds = Math.trunc((when.getTime() - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [null, 1];
  if (unit === null) return seconds >= 0 ? "in less than a minute" : "less than a minute ago";
  return relative.format(Math.trunc(seconds / size), unit);
}

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const when = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(when.getTime())) continue;
    element.dataset.local = "1";
    const local = when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    element.title = `Your time: ${local}`;
    if (element.hasAttribute("data-relative")) {
      const span = document.createElement("span");
      span.className = "quiet small";
      span.textContent = ` (${distance(when)})`;
      element.append(span);
    }
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
