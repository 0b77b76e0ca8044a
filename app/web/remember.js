// Keeps what a person has said of photos in this browser, so that a page that was closed, or has
// crashed, has lost nothing: the photos have it again once they are added again.

import { ByFile } from "./same.js";

const PREFIX = "garment-classifier: ";

/** @returns {ByFile} {keptAs, truth} of all files: what was said, and as whose it is kept */
export function recall() {
  const kept = new ByFile();
  try {
    for (const place of Object.keys(localStorage)) {
      if (!place.startsWith(PREFIX)) continue;
      const keptAs = place.slice(PREFIX.length);
      kept.set(keptAs, { keptAs, truth: localStorage.getItem(place) });
    }
  } catch (error) {
    console.warn(error);
  }
  return kept;
}

/**
 * Keep what is said of it now; null: nothing.
 * @returns {boolean} whether it is kept: storage may be full, or forbidden
 */
export function remember({ keptAs, truth }) {
  const place = PREFIX + keptAs;
  try {
    if (truth === null) localStorage.removeItem(place);
    else keep(place, truth);
    return true;
  } catch (error) {
    console.warn(error);
    return false;
  }
}

function keep(place, truth) {
  try {
    localStorage.setItem(place, truth);
  } catch (error) {
    localStorage.removeItem(place); // an old one is worse than none
    throw error;
  }
}

/** @param {(keptAs: string, truth: string | null) => void} changed told what other tabs keep */
export function watchOtherTabs(changed) {
  window.addEventListener("storage", ({ key }) => {
    // Not the event's value: this tab may have changed it since.
    if (key?.startsWith(PREFIX)) changed(key.slice(PREFIX.length), localStorage.getItem(key));
  });
}
