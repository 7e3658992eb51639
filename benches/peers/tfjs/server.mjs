// Serves the files of the benchmark to its browsers. A page from a server may have modules, WebGPU, and the threads of
// WebAssembly.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = { ".js": "text/javascript", ".html": "text/html", ".wasm": "application/wasm" };
const EMPTY = '<!doctype html><title>bench</title><link rel="icon" href="data:,">';
/** What shared memory asks for. */
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * @param {Record<string, string>} folders by the first part of the paths under which they are served; `/` is an empty page
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function serve(folders) {
  const server = createServer(({ url }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
    const [, first, ...rest] = path.split("/");
    const file = folders[first] && join(folders[first], ...rest);
    if (path === "/") {
      response.writeHead(200, { ...ISOLATED, "Content-Type": "text/html" }).end(EMPTY);
    } else if (file && statSync(file, { throwIfNoEntry: false })?.isFile()) {
      const type = TYPES[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { ...ISOLATED, "Content-Type": type });
      createReadStream(file).pipe(response);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
