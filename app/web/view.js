// Which photos are shown, and in which order: nothing moves under the hand of somebody who works
// through them while more answers arrive.

/** The filter's choices. */
export const KINDS = {
  all: () => true,
  review: ({ state }) => state === "review",
  unchecked: ({ truth, state }) => truth === null && state !== "failed",
  checked: ({ truth }) => truth !== null,
  failed: ({ state }) => state === "failed",
};

/** Whether it has its answer, or a problem instead. */
export function isReady({ prediction, problem }) {
  return Boolean(prediction || problem);
}

/** macOS writes the letters and the accents of a name apart. */
const plain = (text) => text.normalize().toLowerCase();

export class View {
  #all = []; // the newest on top, where people look; within one choice the order stays
  #shown = [];
  #kind = "all";
  #words = "";

  /** Photos that come in. */
  add(photos) {
    this.#all = [...photos, ...this.#all];
  }

  /** Whether some new photos would not be listed; those to look at come once they are answered. */
  hides(photos) {
    const isKind = this.#kind === "review" ? KINDS.all : KINDS[this.#kind];
    return !photos.every((photo) => isKind(photo) && this.#isFound(photo));
  }

  /** Show photos of a kind whose names have these words in them. */
  filter(kind, words) {
    this.#kind = kind;
    this.#words = plain(words.trim());
    this.#shown = [];
  }

  clear() {
    this.#all = [];
    this.#shown = [];
  }

  /** A photo is shown again: before the one where people are, and not at the end. */
  bringBack(photo, here) {
    const place = this.#shown.indexOf(here);
    if (place >= 0 && !this.#shown.includes(photo)) this.#shown.splice(place, 0, photo);
  }

  /** The photos as they are to be listed now. What has become one of a kind is below the others. */
  shown() {
    const some = this.#all.filter((photo) => KINDS[this.#kind](photo) && this.#isFound(photo));
    if (this.#kind === "all") return some;
    const still = new Set(some);
    const before = new Set(this.#shown);
    this.#shown = [
      ...this.#shown.filter((photo) => still.has(photo)),
      ...some.filter((photo) => !before.has(photo)),
    ];
    return this.#shown;
  }

  #isFound({ name }) {
    return !this.#words || plain(name).includes(this.#words);
  }
}
