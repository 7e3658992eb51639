// The camera: what it sees, a photo of it, or predictions all the time.

import { Photo } from "../photos.js";
import { element, tellError } from "./page.js";

/** The longer side of a picture that is predicted all the time, in pixels. */
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
  #isLive = false;

  /**
   * @param {(name: string, blob: Blob) => void} onPhoto
   * @param {(photo: Photo, result: HTMLElement) => Promise<void>} onFrame shows what is predicted for a picture
   */
  constructor(onPhoto, onFrame) {
    this.onPhoto = onPhoto;
    this.onFrame = onFrame;
    this.video = element("video");
    element("camera").addEventListener("click", () => this.open());
    element("stop-camera").addEventListener("click", () => this.close());
    element("shoot").addEventListener("click", () => this.#shoot());
    element("live").addEventListener("click", () => this.#toggleLive());
  }

  async open() {
    tellError(null);
    if (!navigator.mediaDevices?.getUserMedia) {
      tellError("This page cannot use the camera: browsers allow it to pages from https and from disk only.");
      return;
    }
    try {
      const video = { facingMode: "user", width: { ideal: 1280 } };
      this.#stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      tellError(`The camera cannot be used: ${ADVICE[name] ?? error}.`);
      return;
    }
    this.video.srcObject = this.#stream;
    element("viewfinder").hidden = false;
    await this.video.play();
    element("shoot").focus();
  }

  close() {
    this.#isLive = false;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.video.srcObject = null;
    element("viewfinder").hidden = true;
    element("live").setAttribute("aria-pressed", "false");
    this.video.classList.remove("aside");
    element("live-result").replaceChildren();
    element("camera").focus();
  }

  /** @param {number} longest the longer side, in pixels, at most */
  #frame(longest) {
    const { videoWidth, videoHeight } = this.video;
    const factor = Math.min(1, longest / Math.max(videoWidth, videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(videoWidth * factor);
    canvas.height = Math.round(videoHeight * factor);
    canvas
      .getContext("2d", { willReadFrequently: true })
      ?.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  #shoot() {
    const time = new Date().toLocaleTimeString();
    this.#frame(Infinity).toBlob((blob) => {
      if (blob) this.onPhoto(`camera, ${time}`, blob);
    }, "image/png");
  }

  async #toggleLive() {
    this.#isLive = !this.#isLive;
    element("live").setAttribute("aria-pressed", String(this.#isLive));
    // What is predicted all the time shows the picture itself.
    this.video.classList.toggle("aside", this.#isLive);
    if (!this.#isLive) element("live-result").replaceChildren();
    while (this.#isLive && this.#stream) {
      const canvas = this.#frame(LIVE_SIDE);
      const rgba = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data;
      if (!rgba) return;
      const photo = new Photo(canvas.width, canvas.height);
      for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
        photo.rgb[to] = rgba[from];
        photo.rgb[to + 1] = rgba[from + 1];
        photo.rgb[to + 2] = rgba[from + 2];
      }
      try {
        await this.onFrame(photo, element("live-result"));
      } catch (error) {
        this.#isLive = false;
        tellError(error);
      }
      // Lets the page react between two pictures.
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }
}
