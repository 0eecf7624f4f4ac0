// Numbers and texts as tables and the report write them.

/** Metrics and losses: four decimals. */
export const decimal = (value: number, digits = 4): string => value.toFixed(digits);

/** `12,345` */
export const whole = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** `+0.0123`, `−0.0123`: with the sign that a difference has. */
export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${decimal(Math.abs(value))}`;

/** Bytes in the units of 1,000 that disks are sold by. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let rest = value;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${unit === 0 || rest >= 100 ? rest.toFixed(0) : rest.toFixed(1)} ${units[unit]}`;
}

/** `0.82 s`, `47 s`, `12 min 3 s`, `1 h 2 min`. */
export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(2)} s`;
  const total = Math.round(value);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

/** A p-value: three digits, and no zero that it is not. */
export function pValue(value: number): string {
  if (value < 0.0001) return "< 0.0001";
  return value < 0.001 ? value.toFixed(4) : value.toFixed(3);
}

/**
 * Not more than `length` characters (code points), with an ellipsis where something was cut; white space as one space.
 */
export function shortened(text: string, length: number): string {
  const flat = Array.from(text.replace(/\s+/g, " ").trim());
  return flat.length <= length ? flat.join("") : `${flat.slice(0, length - 1).join("")}…`;
}
