// A typed "no". The codes are those of the signers where both check the same thing.

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
