// Enrolling a sign-in key with a one-time link.

import { post } from "./http.js";

const section = document.getElementById("enrol");
const status = document.getElementById("status");
const button = document.getElementById("enrol-key");

button.addEventListener("click", async () => {
  button.disabled = true;
  status.textContent = "Waiting for the key …";
  try {
    const { options } = await post(section.dataset.options);
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    const answer = await post(section.dataset.verify, credential.toJSON());
    location.assign(answer.next);
  } catch (error) {
    status.textContent = error.name === "NotAllowedError" ? "Nothing was enrolled: cancelled or timed out." : error.message;
    button.disabled = false;
  }
});

// The page is served with it disabled: a click before this script has come would be lost.
button.disabled = false;
