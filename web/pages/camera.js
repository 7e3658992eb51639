// The camera: what it sees, photos of it, or predictions for what it sees, one after the other.

import { Photo } from "../photos.js";
import { create, element, tellError } from "./page.js";

/** The longer side of a picture of live predictions, in pixels, at most. */
const LIVE_SIDE = 640;

/** What to do about errors of `getUserMedia`, by their names. */
const ADVICE = /** @type {Record<string, string>} */ ({
  NotAllowedError: "the browser may not use the camera: allow it for this page, beside the address",
  NotFoundError: "there is no camera",
  NotReadableError: "the camera is used by another program; close that",
});

/** A camera on the page. */
export class Camera {
  /** @type {?MediaStream} */
  #stream = null;
  /** Counts openings and closings: an opening that waits goes on only if it is still the last. */
  #opening = 0;
  /** Counts beginnings and ends of live predictions: a loop goes on only if it is still the last. */
  #loop = 0;
  #isLive = false;

  /**
   * @param {(name: string, blob: Blob) => void} onPhoto
   * @param {(photo: Photo) => Promise<Node[]>} onFrame what live predictions show of a picture
   */
  constructor(onPhoto, onFrame) {
    this.onPhoto = onPhoto;
    this.onFrame = onFrame;
    this.video = element("video");
    element("camera").addEventListener("click", () => this.open());
    element("stop-camera").addEventListener("click", () => this.close());
    element("shoot").addEventListener("click", () => this.#shoot());
    element("live").addEventListener("click", () => (this.#isLive ? this.#endLive() : this.#live()));
  }

  /** Opens the camera, anew if it is open. */
  async open() {
    tellError(null);
    if (!navigator.mediaDevices?.getUserMedia) {
      tellError("This page cannot use the camera: browsers allow it to pages from https and from disk only.");
      return;
    }
    this.#stop();
    const opening = this.#opening;
    try {
      const video = { facingMode: "user", width: { ideal: 1280 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      if (opening !== this.#opening) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      this.#show(stream);
      await this.video.play();
      if (opening === this.#opening) element("shoot").focus();
    } catch (error) {
      // An opening that was overtaken fails because of that: `play` is broken off.
      if (opening !== this.#opening) return;
      this.#stop();
      const name = error instanceof Error ? error.name : "";
      tellError(`The camera cannot be used: ${ADVICE[name] ?? error}.`);
    }
  }

  close() {
    this.#stop();
    element("camera").focus();
  }

  /** @param {MediaStream} stream */
  #show(stream) {
    this.#stream = stream;
    this.video.srcObject = stream;
    element("viewfinder").hidden = false;
    for (const track of stream.getTracks()) {
      // A track does not report that the page itself has stopped it.
      track.addEventListener("ended", () => {
        if (stream !== this.#stream) return;
        this.close();
        tellError("The camera has stopped: it was unplugged, or the browser may not use it any more.");
      });
    }
  }

  #stop() {
    this.#opening += 1;
    this.#endLive();
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.video.srcObject = null;
    element("viewfinder").hidden = true;
  }

  /**
   * What the camera sees; null until it sees something.
   *
   * @param {number} longest the longer side, in pixels, at most
   * @returns {?HTMLCanvasElement}
   */
  #frame(longest) {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth || !videoHeight) return null;
    const factor = Math.min(1, longest / Math.max(videoWidth, videoHeight));
    const canvas = create("canvas");
    canvas.width = Math.max(1, Math.round(videoWidth * factor));
    canvas.height = Math.max(1, Math.round(videoHeight * factor));
    canvas
      .getContext("2d", { willReadFrequently: true })
      ?.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  #shoot() {
    const time = new Date().toLocaleTimeString();
    const take = (/** @type {?Blob} */ blob) => {
      if (blob) this.onPhoto(`camera, ${time}`, blob);
      else tellError("The photo could not be taken; try it again.");
    };
    const canvas = this.#frame(Infinity);
    if (canvas) canvas.toBlob(take, "image/png");
    else take(null);
  }

  async #live() {
    this.#isLive = true;
    this.#loop += 1;
    const loop = this.#loop;
    element("live").setAttribute("aria-pressed", "true");
    // Live predictions show the picture themselves.
    this.video.classList.add("aside");
    try {
      while (loop === this.#loop) {
        const canvas = this.#frame(LIVE_SIDE);
        const shown = canvas && (await this.onFrame(photoOf(canvas)));
        if (shown && loop === this.#loop) element("live-result").replaceChildren(...shown);
        // Lets the page react between two pictures.
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    } catch (error) {
      if (loop === this.#loop) tellError(error);
    } finally {
      if (loop === this.#loop) this.#endLive();
    }
  }

  #endLive() {
    this.#isLive = false;
    this.#loop += 1;
    element("live").setAttribute("aria-pressed", "false");
    this.video.classList.remove("aside");
    element("live-result").replaceChildren();
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Photo}
 */
function photoOf(canvas) {
  const photo = new Photo(canvas.width, canvas.height);
  const rgba = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data;
  if (!rgba) throw new Error("the browser has no memory for the camera's picture");
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    photo.rgb[to] = rgba[from];
    photo.rgb[to + 1] = rgba[from + 1];
    photo.rgb[to + 2] = rgba[from + 2];
  }
  return photo;
}
