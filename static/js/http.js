// Requests to our own origin, with the CSRF token that the page carries.

const token = document.querySelector('meta[name="csrf-token"]').content;

export async function post(address, body) {
  const answer = await fetch(address, {
    method: "POST",
    credentials: "same-origin",
    redirect: "error",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: body === undefined ? "" : JSON.stringify(body),
  });
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(value.detail || `The server answered ${answer.status}. Please try again.`);
  }
  return value;
}
