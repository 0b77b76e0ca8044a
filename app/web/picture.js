// Draws photos smaller than they are.

import { make } from "./parts.js";

/**
 * The photo upright, on white.
 * @param {(width: number, height: number) => number} scaleOf by its size in pixels
 * @returns {Promise<HTMLCanvasElement | null>} null: the browser cannot read it, such as a TIFF
 */
export async function drawn(file, scaleOf) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
  if (!bitmap) return null;
  const scale = scaleOf(bitmap.width, bitmap.height);
  const canvas = make("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // JPEG is not transparent; the service takes white, too
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}
