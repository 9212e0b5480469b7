// The policy editor without this script works with buttons that reload the page. With it, a row that changes its
// field, or is added or removed, is drawn anew in place: the server draws it, so that there is one way to draw it.

const status = document.createElement("p");

function say(text) {
  status.textContent = text;
}

async function redraw(form, submitter) {
  const sent = new FormData(form, submitter);
  if (submitter === null) {
    sent.set("step", "refresh");
  }
  const held = document.activeElement ? document.activeElement.id : "";
  const rows = form.querySelectorAll(".condition").length;
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: sent, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const drawn = page.getElementById("row-form");
    if (!answer.ok || drawn === null) {
      throw new Error("not a form");
    }
    form.replaceChildren(...drawn.childNodes);
  } catch {
    // The plain way, which says what is wrong in the browser's or the server's own words.
    plain(form, sent.get("step"));
    return;
  }
  form.removeAttribute("aria-busy");
  refocus(form, held, rows);
}

function plain(form, step) {
  const box = document.createElement("input");
  box.type = "hidden";
  box.name = "step";
  box.value = step;
  form.append(box);
  form.submit();
}

function refocus(form, held, rows) {
  const fields = [...form.querySelectorAll("select[data-refresh][name$='-field']")];
  const now = form.querySelectorAll(".condition").length;
  const same = held ? document.getElementById(held) : null;
  if (now > rows) {
    const added = fields.find((field) => field.value === "");
    (added ?? fields.at(-1))?.focus();
    say("A row was added.");
  } else if (now < rows) {
    (fields.at(-1) ?? form.querySelector("[data-step]"))?.focus();
    say("The row was removed.");
  } else {
    same?.focus();
    say("The row was updated.");
  }
}

const form = document.querySelector("form[data-editor]");
if (form instanceof HTMLFormElement) {
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  form.after(status);
  document.documentElement.classList.add("with-script");
  form.addEventListener("change", (event) => {
    if (event.target instanceof HTMLElement && event.target.matches("[data-refresh]")) {
      redraw(form, null);
    }
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter instanceof HTMLElement && event.submitter.matches("[data-step]")) {
      event.preventDefault();
      redraw(form, event.submitter);
    }
  });
  document.getElementById("form-problems")?.focus();
}
