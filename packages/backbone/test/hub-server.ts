// A stand-in for the Hugging Face Hub on 127.0.0.1: the endpoints that the official client calls, and ways to
// misbehave.
import { createHash } from "node:crypto";
import http from "node:http";

/** One request as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** What the hub lists as a file's identity. */
export function hubEntry(name: string, content: Uint8Array): Record<string, unknown> {
  const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const entry = { type: "file", path: name, size: content.length, oid };
  if (!name.endsWith(".safetensors") && !name.endsWith(".bin")) return entry;
  return {
    ...entry,
    lfs: { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 130 },
  };
}

/** A hub that holds the model org/name. */
export class HubServer {
  readonly files = new Map<string, Uint8Array>();
  readonly requests: SeenRequest[] = [];
  /** Known once it has started. */
  url = "";
  /** Answers instead of the usual handler where it returns true. */
  intercept: (request: http.IncomingMessage, response: http.ServerResponse) => boolean = () => false;
  #server = http.createServer((request, response) => this.#handle(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address === "object" && address) this.url = `http://127.0.0.1:${address.port}`;
    return this;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The requests so far; forgets them. */
  takeRequests(): SeenRequest[] {
    return this.requests.splice(0);
  }

  #handle: Handler = (request, response) => {
    const url = new URL(request.url ?? "/", this.url);
    this.requests.push({
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      range: request.headers.range,
      authorization: request.headers.authorization,
    });
    if (this.intercept(request, response)) return;
    const path = decodeURIComponent(url.pathname);
    if (path === "/api/models/org/name/revision/main" || path === "/api/models/org/name/revision/v1.0") {
      json(response, 200, {
        _id: "1",
        id: "org/name",
        sha: COMMIT,
        private: false,
        downloads: 0,
        gated: false,
        likes: 0,
        lastModified: "2026-01-01",
      });
    } else if (path === `/api/models/org/name/tree/${COMMIT}`) {
      json(
        response,
        200,
        [...this.files]
          .map(([name, content]) => hubEntry(name, content))
          .concat([{ type: "directory", path: "onnx", size: 0, oid: "0".repeat(40) }]),
      );
    } else if (path.startsWith(`/org/name/resolve/${COMMIT}/`)) {
      const content = this.files.get(path.slice(`/org/name/resolve/${COMMIT}/`.length));
      if (content) sendRange(request, response, content);
      else json(response, 404, { error: "Entry not found" }, { "X-Error-Code": "EntryNotFound" });
    } else {
      json(response, 404, { error: "Repository not found" }, { "X-Error-Code": "RepoNotFound" });
    }
  };
}

export function json(
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: http.OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** The range that a request asks for, or the whole. */
export function rangeOf(request: http.IncomingMessage, size: number): { start: number; end: number; partial: boolean } {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  if (!match) return { start: 0, end: size, partial: false };
  return { start: Number(match[1]), end: match[2] ? Math.min(Number(match[2]) + 1, size) : size, partial: true };
}

/** Headers of a correct answer. */
export function rangeHeaders(request: http.IncomingMessage, content: Uint8Array): http.OutgoingHttpHeaders {
  const { start, end, partial } = rangeOf(request, content.length);
  return {
    ETag: `"${createHash("sha1").update(content).digest("hex")}"`,
    "Content-Length": end - start,
    "Accept-Ranges": "bytes",
    ...(partial ? { "Content-Range": `bytes ${start}-${Math.max(start, end) - 1}/${content.length}` } : {}),
  };
}

function sendRange(request: http.IncomingMessage, response: http.ServerResponse, content: Uint8Array): void {
  const { start, end, partial } = rangeOf(request, content.length);
  response.writeHead(partial ? 206 : 200, rangeHeaders(request, content));
  response.end(content.subarray(start, end));
}
