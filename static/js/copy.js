// Commands that are typed elsewhere: a button copies each, or selects it where the browser gives no leave to copy.

const SAID_MS = 2000;

function selected(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const words = [...button.childNodes];
  if (source === null) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "✓ Copied";
    } catch {
      selected(source);
      button.textContent = "Selected: copy it yourself";
    }
    setTimeout(() => { button.replaceChildren(...words); }, SAID_MS);
  });
}
