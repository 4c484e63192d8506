// From places in a text to lines and columns, from a wrong word to the one that was meant, and paths as text.

/** Bytes of a text in UTF-8. Not every engine has a TextEncoder. */
export function utf8(text) {
  const out = [];
  for (const char of text) {
    const code = char.codePointAt(0);
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else out.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(out);
}

export class Lines {
  constructor(text, file = 0) {
    this.text = text;
    this.file = file;
    this.lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  line(number) {
    return this.part(number, 0, this.lines[number - 1].length);
  }

  part(number, start, stop) {
    const line = this.lines[number - 1];
    const before = utf8(line.slice(0, start)).length;
    const width = utf8(line.slice(start, stop)).length;
    return {
      file: this.file,
      start: { line: number, column: before + 1 },
      stop: { line: number, column: before + width + 1 },
    };
  }
}

export function didYouMean(word, candidates) {
  const wanted = lower(word);
  if (!wanted.length || wanted.length > 64) return undefined;
  let best;
  for (const candidate of candidates) {
    const other = lower(candidate);
    const limit = Math.min(Math.ceil(wanted.length / 3), Math.max(wanted.length, other.length) - 1);
    if (Math.abs(wanted.length - other.length) > limit) continue;
    const found = distance(wanted, other);
    if (found <= limit && (!best || found < best.found)) best = { found, candidate };
  }
  return best?.candidate;
}

const lower = (text) => [...text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())];

/** Optimal string alignment. */
function distance(a, b) {
  let beforeLast = new Array(b.length + 1).fill(0);
  let last = [...beforeLast.keys()];
  for (let i = 1; i <= a.length; i++) {
    const row = new Array(b.length + 1).fill(i);
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1), last[j] + 1, row[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
      }
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length];
}

export function join(directory, path) {
  const parts = [];
  for (const part of [...(path.startsWith('/') ? '' : directory).split('/'), ...path.split('/')]) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

export function joinKeepingSlash(directory, path) {
  const out = join(directory, path);
  const isDirectory = path === '' || path === '.' || path.endsWith('/') || path.endsWith('/.');
  return isDirectory && !out.endsWith('/') ? `${out}/` : out;
}
