// Files that people drop on a page, or choose.

/**
 * Calls `take` with the files of every choice.
 *
 * @param {HTMLElement} area shows that files may be dropped; they may be dropped anywhere
 * @param {HTMLInputElement[]} inputs
 * @param {(files: File[]) => void} take
 */
export function onFiles(area, inputs, take) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])];
      // The same files may be chosen again.
      input.value = "";
      take(files);
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) area.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    take([...(event.dataTransfer?.files ?? [])]);
  });
}
