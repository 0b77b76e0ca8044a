// Small pictures of photos, a few at a time: a photo of 12 megapixels is 48 MB while it is drawn.

import { make } from "./parts.js";
import { drawn } from "./picture.js";

const EDGE = 256; // pixels, longest
const AT_ONCE = 4;

const waiting = [];
let drawing = 0;

/** Put a picture of the photo into the element, when its turn comes. */
export function drawThumbnail(file, element) {
  waiting.push({ file, element });
  if (drawing < AT_ONCE) work();
}

async function work() {
  drawing += 1;
  for (let next; (next = waiting.shift());) await draw(next);
  drawing -= 1;
}

async function draw({ file, element }) {
  const canvas = await drawn(file, (...edges) => Math.min(1, EDGE / Math.max(...edges)));
  if (!canvas) return;
  // A canvas would keep its pixels: gigabytes with ten thousand photos.
  const image = make("img");
  image.alt = "";
  image.src = canvas.toDataURL("image/jpeg", 0.8);
  element.replaceChildren(image);
}
