// Keeps what a person has said of photos in this browser, so that a page that was closed, or has
// crashed, has lost nothing: the photos have it again once they are added again.

const PREFIX = "garment-classifier: ";

/**
 * Tells files apart: cameras restart their numbering, so the name alone tells too little. Two
 * that agree in all of this, within folders of their own too, are taken for one.
 * @returns {string | null} null: the file cannot be opened
 */
export function identity({ name, file }) {
  return file && `${file.size} ${file.lastModified} ${name}`;
}

/** @returns {string | null} what was said of this very file */
export function recall(photo) {
  try {
    return localStorage.getItem(PREFIX + identity(photo));
  } catch {
    return null;
  }
}

/**
 * Keep what is said of it now; null: nothing.
 * @returns {boolean} whether it is kept: storage may be full, or forbidden
 */
export function remember(photo) {
  const place = PREFIX + identity(photo);
  try {
    localStorage.removeItem(place); // an old one is worse than none
    if (photo.truth !== null) localStorage.setItem(place, photo.truth);
    return true;
  } catch (error) {
    console.warn(error);
    return false;
  }
}
