// What a person says of the photos, kept in this browser, and taken back.

import { inWords } from "./choices.js";
import { guard } from "./leave.js";
import { remember } from "./remember.js";

const UNKEPT = ". This browser does not keep them: download the table before you close the page";

export class Labels {
  #given = []; // {photo, before}: what was said of it before; the latest last
  #arrived = null; // the photo that the focus was moved on to
  #unkept = new Set();
  #$;
  #list;

  /**
   * @param {(id: string) => HTMLElement} $
   * @param {object} list
   * @param {(photo: object) => void} list.changed draws the photo and the list again
   * @param {(photo: object, here?: object) => void} list.bringBack lists a photo where another is
   * @param {(photo: object) => HTMLElement | null} list.reveal its card, if it can be listed
   * @param {(card: HTMLElement) => object} list.photoOf
   * @param {() => HTMLElement} list.beside takes the focus where there is no card for it
   */
  constructor($, list) {
    this.#$ = $;
    this.#list = list;
  }

  /**
   * A person says what the photo shows.
   * @param {string | null} truth null: nothing any more
   * @param {boolean} onward whether to go on to the next card
   */
  judge(photo, truth, onward = false) {
    if (photo.truth !== truth) this.#given.push({ photo, before: photo.truth });
    this.#change(photo, truth, onward);
  }

  /**
   * Take back what was said last, or of this photo, if somebody has gone back to it.
   * @param {object} [photo]
   * @returns {boolean} false: it would be out of sight
   */
  takeBack(photo) {
    if (photo?.truth && photo !== this.#arrived) {
      this.#given = this.#given.filter((one) => one.photo !== photo);
      this.#change(photo, null, false);
      return true;
    }
    if (!this.#given.length) return true;
    const { photo: last, before } = this.#given.at(-1);
    const { truth } = last;
    this.#list.bringBack(last, photo);
    this.#set(last, before);
    const card = this.#list.reveal(last);
    if (!card) {
      this.#set(last, truth); // nothing is taken back out of sight
      return false;
    }
    this.#given.pop();
    this.#arrived = null;
    this.#tell();
    this.#say(last);
    card.focus();
    return true;
  }

  /** Another tab has said it, and has taken over what this one would take back of it. */
  follow(photo, keptAs, truth) {
    Object.assign(photo, { keptAs, truth });
    this.#given = this.#given.filter((one) => one.photo !== photo);
    this.#unkept.delete(photo);
    this.#tell();
    guard([photo]);
  }

  /** They go, and what the browser has kept of them. */
  forget(photos) {
    for (const photo of photos) remember({ ...photo, truth: null });
    this.#given = [];
    this.#unkept.clear();
    this.#tell();
  }

  #change(photo, truth, onward) {
    const { element } = photo.card;
    const next = element.nextElementSibling;
    const nearest = next ?? element.previousElementSibling;
    if (photo.truth !== truth) this.#set(photo, truth);
    this.#say(photo);
    if (element.isConnected && !onward) return;
    // After the last one a further key is for none.
    const target = element.isConnected ? next : nearest;
    this.#arrived = target && this.#list.photoOf(target);
    // It comes to where this one was; who clicks there has it in sight, but for its head perhaps.
    (target ?? this.#list.beside()).focus({ preventScroll: !onward });
    target?.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  #set(photo, truth) {
    photo.truth = truth;
    if (remember(photo)) this.#unkept.delete(photo);
    else this.#unkept.add(photo);
    this.#tell();
    guard([photo]);
    this.#list.changed(photo);
  }

  #tell() {
    this.#$("undo").disabled = !this.#given.length;
    this.#$("kept").hidden = this.#unkept.size > 0;
    const warning = this.#unkept.size ? UNKEPT : "";
    const said = this.#$("unkept");
    if (said.textContent !== warning) said.textContent = warning; // read out once
  }

  /** To those who do not see it. */
  #say({ name, truth }) {
    const [checked, review] = ["checked", "review"].map((kind) => (
      this.#$(`count-${kind}`).textContent));
    this.#$("said").textContent = `${name}: ${truth ? inWords(truth) : "label taken back"}. ` +
      `${checked} checked, ${review} to look at.`;
  }
}
