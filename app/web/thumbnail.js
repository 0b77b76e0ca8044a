// Small pictures of photos, a few at a time: a photo of 12 megapixels is 48 MB while it is drawn.

import { make } from "./parts.js";

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
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return; // such as TIFF, which Chromium cannot show
  const scale = Math.min(1, EDGE / Math.max(bitmap.width, bitmap.height));
  const canvas = make("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // JPEG is not transparent; the service takes white, too
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  // A canvas would keep its pixels: gigabytes with ten thousand photos.
  const image = make("img");
  image.alt = "";
  image.src = canvas.toDataURL("image/jpeg", 0.8);
  element.replaceChildren(image);
}
