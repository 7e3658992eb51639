// Tells why a page cannot start here. It stands in the page as a classic script of old syntax: browsers that cannot load
// the page's modules run it too.

(function () {
  /** @param {string} text */
  function tell(text) {
    const status = document.getElementById("status");
    const error = document.getElementById("error");
    if (status) status.textContent = "";
    if (error) {
      error.textContent = text;
      error.hidden = false;
    }
    document.body.setAttribute("data-failed", "true");
  }

  if (window.isSecureContext === false) {
    tell(
      "Browsers offer WebGPU, which this model needs, only to pages from https and from disk: save this page, and open " +
        "the file.",
    );
  } else if (!navigator.gpu) {
    tell(
      "This browser offers no WebGPU, which this model needs. Chrome and Edge have it from version 113 on (on Android 12 " +
        "or later from 121, on Linux from 147 with newer Intel and Nvidia graphics), Safari from 26, and Firefox from 141 " +
        "on Windows and from 147 on Macs with Apple chips.",
    );
  } else {
    // A module that cannot be loaded reports to the script or to the window, depending on what is wrong with it.
    addEventListener(
      "error",
      function (event) {
        const body = document.body;
        if (body.hasAttribute("data-ready") || body.hasAttribute("data-failed")) return;
        tell(
          "This page cannot start: " + (event.message || "a part of it is damaged") + ". Update the browser.",
        );
      },
      true,
    );
  }
})();
