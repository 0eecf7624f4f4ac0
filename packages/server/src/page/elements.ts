// Small helpers around the DOM. Text from data only ever becomes text nodes.

type Child = Node | string | undefined;

/** The element with this id. */
export function byId<K extends keyof HTMLElementTagNameMap>(tag: K, id: string): HTMLElementTagNameMap[K] {
  const found = document.querySelector<HTMLElementTagNameMap[K]>(`${tag}#${id}`);
  if (!found) throw new Error(`the page has no <${tag} id="${id}">`);
  return found;
}

/** A new element. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A button that does something. */
export function button(label: string, action: () => void, accessibleName = label): HTMLButtonElement {
  const made = element("button", "", label);
  made.type = "button";
  if (accessibleName !== label) made.setAttribute("aria-label", accessibleName);
  made.addEventListener("click", action);
  return made;
}

/** Shows a message, as an error where it is one. */
export function say(place: HTMLElement, message: string, problem = false): void {
  place.textContent = message;
  place.classList.toggle("problem", problem);
}

export const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * A search field with a list of results below it: the arrow keys move through field and results, Enter or a click
 * chooses, Escape empties. Answers that come late are dropped.
 */
export function searchField<T>(
  input: HTMLInputElement,
  list: HTMLUListElement,
  options: {
    readonly find: (text: string, signal: AbortSignal) => Promise<readonly T[]>;
    readonly label: (found: T) => string;
    readonly choose: (found: T) => void;
    readonly onError: (error: unknown) => void;
  },
): void {
  let running = new AbortController();
  const search = async () => {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    try {
      const found = await options.find(input.value, signal);
      if (signal.aborted) return;
      list.replaceChildren(
        ...found.map((one) =>
          element(
            "li",
            "",
            button(options.label(one), () => {
              list.replaceChildren();
              input.value = "";
              input.focus();
              options.choose(one);
            }),
          ),
        ),
      );
    } catch (error) {
      if (!signal.aborted) options.onError(error);
    }
  };
  const move = (event: KeyboardEvent) => {
    const stops: HTMLElement[] = [input, ...list.querySelectorAll("button")];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
      next?.focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      running.abort();
      list.replaceChildren();
      input.value = "";
      input.focus();
    } else if (event.key === "Enter" && event.target === input) {
      stops[1]?.click();
      event.preventDefault();
    }
  };
  input.addEventListener("input", search);
  input.addEventListener("focus", () => {
    if (list.childElementCount === 0 && input.value !== "") void search();
  });
  input.addEventListener("keydown", move);
  list.addEventListener("keydown", move);
}
