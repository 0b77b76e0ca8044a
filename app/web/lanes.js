// Sends the photos that wait to the service, a few at a time.

import { tookTooLong, UNUSABLE } from "./service.js";
import { upload } from "./upload.js";

const IN_FLIGHT = 4; // photos with the service at the same time

export class Lanes {
  #waiting = [];
  #open = 0;
  #most = IN_FLIGHT; // lanes that there may be: one once an upload has taken too long
  #run = new AbortController(); // aborted by `stop`
  #settle;

  /** @param {(photo: object, answer: object) => void} settle gives a photo its answer or problem */
  constructor(settle) {
    this.#settle = settle;
  }

  /** Aborted once all that is under way is to be forgotten. */
  get signal() {
    return this.#run.signal;
  }

  send(photos) {
    this.#waiting.push(...photos);
    while (this.#open < this.#most && this.#waiting.length) this.#work(this.signal);
  }

  /** Forget what waits or is on its way. */
  stop() {
    this.#run.abort();
    this.#run = new AbortController();
    this.#waiting = [];
    this.#open = 0;
    this.#most = IN_FLIGHT;
  }

  /**
   * One lane: takes photos until none waits, or there are too many lanes. A failed photo never
   * stops the others.
   */
  async #work(signal) {
    this.#open += 1;
    let photo;
    while (!signal.aborted && this.#open <= this.#most && (photo = this.#waiting.shift())) {
      const { name, file } = photo;
      const shared = this.#most > 1;
      photo.state = "sending";
      photo.card?.show();
      try {
        const answer = await upload(file, name, signal, (text) => photo.card?.note(text));
        if (signal.aborted) return; // the lanes are counted anew
        const slow = tookTooLong(answer.problem);
        if (slow) this.#most = 1; // each then has the whole line
        if (shared && slow) this.#putBack(photo);
        else this.#settle(photo, answer);
      } catch (error) {
        console.warn(error);
        this.#settle(photo, { prediction: null, problem: UNUSABLE });
      }
    }
    if (!signal.aborted) this.#open -= 1;
  }

  /** It is the next one that is sent. */
  #putBack(photo) {
    photo.state = "waiting";
    photo.card?.show();
    this.#waiting.unshift(photo);
  }
}
