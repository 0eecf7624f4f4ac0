// Errors as RFC 9457 has them: application/problem+json with a stable `code` for programs and one sentence for people.
import { ItemError, ItemFileError, NotAvailableError, RecommendError, UnknownIdError } from "@cllm4rec/recommend";

/** The body of an error. */
export interface ProblemBody {
  /** Always `about:blank`: `title` is that of the HTTP status, `code` says which problem it is. */
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  /** What was found, what was expected, what to do next. */
  readonly detail: string;
  /** Of an unknown id: known ids with a similar spelling. */
  readonly nearest?: readonly string[];
}

/** An error that is the caller's, or the state's, with its HTTP status. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly more: { readonly nearest?: readonly string[]; readonly retryAfter?: number } = {},
  ) {
    super(detail);
  }

  get body(): ProblemBody {
    const { nearest } = this.more;
    const { status, code, message } = this;
    return {
      type: "about:blank",
      title: TITLES[status] ?? "Error",
      status,
      code,
      detail: message,
      ...(nearest && { nearest }),
    };
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** What of an HTTP library's error matters here. */
interface HttpError {
  readonly statusCode?: number;
  readonly code?: string;
  readonly message: string;
  readonly validation?: unknown;
  readonly validationContext?: string;
}

/** The problem that an error is; anything unforeseen is a 500 whose message stays in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UnknownIdError) {
    return new Problem(404, `unknown-${error.kind}`, error.message, { nearest: error.nearest });
  }
  if (error instanceof NotAvailableError) {
    if (error.code === "no-text-features") return new Problem(501, "no-text-map", error.message);
    return new Problem(error.code === "no-content-tables" ? 501 : 409, error.code, error.message);
  }
  if (error instanceof ItemError) {
    return new Problem(error.code === "exists" || error.code === "trained" ? 409 : 400, error.code, error.message);
  }
  // The path is not exposed to clients; the log has it.
  if (error instanceof ItemFileError) return new Problem(500, "internal-error", "the server failed; its log says why");
  if (error instanceof RecommendError) return new Problem(400, "invalid-request", error.message);
  if (error instanceof Error) {
    const { statusCode = 500, code, message, validation, validationContext = "body" }: HttpError = error;
    if (validation) return new Problem(400, "invalid-request", message.replace(/^body/, validationContext));
    if (statusCode >= 400 && statusCode < 500) return new Problem(statusCode, codeOf(code), message);
  }
  return new Problem(500, "internal-error", "the server failed; its log says why");
}

/** `FST_ERR_CTP_BODY_TOO_LARGE` → `body-too-large`. */
function codeOf(code = "bad-request"): string {
  return code
    .replace(/^FST_ERR_(CTP_)?/, "")
    .toLowerCase()
    .replaceAll("_", "-");
}
