// Numbers and times for people.

/**
 * A count with its noun.
 *
 * @param {number} count
 * @param {string} noun in the singular
 */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/**
 * A time.
 *
 * @param {number} seconds
 */
export function shownTime(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/**
 * A number with about so many digits, and never with an exponent.
 *
 * @param {number} value
 * @param {number} digits
 */
export function shownDigits(value, digits) {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const before = Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.min(Math.max(digits - before, 0), 8));
}
