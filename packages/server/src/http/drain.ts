// Ending without losing a request: no new connections, an answer for everything that arrives on the old ones, then the
// end.
import net from "node:net";
import type { FastifyInstance } from "fastify";

/** How a server ends. */
export interface DrainOptions {
  /** Milliseconds in which the server still answers everything while /readyz is 503, for load balancers that ask it. */
  readonly drainDelay: number;
  /** Milliseconds for requests in flight, after which their connections are cut. */
  readonly drainTimeout: number;
}

/**
 * How long a connection may stay silent after the listener is closed; a request that is on its way arrives within this
 * time.
 */
const SILENCE = 500;

/** Sees to it that a server ends in order. */
export class Drain {
  #draining = false;
  readonly #connections = new Set<net.Socket>();
  #requests = 0;

  constructor(
    private readonly app: FastifyInstance,
    private readonly options: DrainOptions,
  ) {
    app.server.on("connection", (socket: net.Socket) => {
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
    });
    app.server.on("request", (_request, response) => {
      this.#requests++;
      // The client sends nothing more on this connection, and Node closes it after the answer.
      if (this.#draining) response.setHeader("connection", "close");
      response.once("close", () => this.#requests--);
    });
    app.addHook("onSend", async (_request, reply) => {
      // Also of requests that came before.
      if (this.#draining && !reply.raw.headersSent) reply.header("connection", "close");
    });
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Resolves when every request is answered and every connection closed. */
  async run(): Promise<void> {
    const { drainDelay, drainTimeout } = this.options;
    this.#draining = true;
    if (drainDelay > 0) await pause(drainDelay);
    // After this turn of the event loop has accepted what waits. http.Server.close would also close connections on
    // which a request may be on its way; net.Server's does not.
    await new Promise(setImmediate);
    const { server } = this.app;
    const closed = new Promise<void>((resolve) => net.Server.prototype.close.call(server, () => resolve()));
    const deadline = Date.now() + drainTimeout;
    let silent = 0;
    while (this.#connections.size > 0 && silent < SILENCE && Date.now() < deadline) {
      const before = this.#requests;
      await Promise.race([closed, pause(50)]);
      silent = before > 0 || this.#requests > 0 ? 0 : silent + 50;
    }
    for (const socket of this.#connections) socket.destroySoon();
    await Promise.race([closed, pause(100)]);
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
