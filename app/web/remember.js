// Keeps what a person has said of photos in this browser, so that a page that was closed, or has
// crashed, has lost nothing: the photos have it again once they are added again.

/** @returns {string | null} what was said of this very file */
export function recall({ name, file }) {
  return file && attempt(() => localStorage.getItem(place(name, file)));
}

/** Keep what is said of it now; null: nothing. */
export function remember({ name, file, truth }) {
  attempt(() => truth === null ? localStorage.removeItem(place(name, file))
    : localStorage.setItem(place(name, file), truth));
}

/** A camera restarts its numbering, so the name alone tells too little. */
function place(name, file) {
  const own = name.slice(name.lastIndexOf("/") + 1);
  return `garment-classifier: ${file.size} ${file.lastModified} ${own}`;
}

/** Without storage (full, or forbidden) the page works as before, and asks before it is left. */
function attempt(action) {
  try {
    return action();
  } catch (error) {
    console.warn(error);
    return null;
  }
}
