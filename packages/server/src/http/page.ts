// The page at `/` and its files, read once.
import fs from "node:fs/promises";
import type { FastifyInstance } from "fastify";

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/page/style.css": ["style.css", "text/css; charset=utf-8"],
  "/page/icon.svg": ["icon.svg", "image/svg+xml"],
} as const;

/** Adds the page. */
export async function addPage(app: FastifyInstance): Promise<void> {
  for (const [route, [file, type]] of Object.entries(FILES)) {
    const content = await fs.readFile(new URL(`./page/${file}`, import.meta.url));
    app.get(route, { schema: { hide: true } }, async (_request, reply) =>
      reply.header("cache-control", "no-cache").type(type).send(content),
    );
  }
}
