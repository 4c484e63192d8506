// The text: words, flags, variables and their places. Knows nothing of what instructions do.

import { buildArg, error } from '@lapstrake/sdk';

const trim = (text) => text.replace(/^[ \t]+|[ \t]+$/g, '');

/** The first word and what follows. */
export function split(text) {
  const place = text.search(/[ \t]/);
  return place < 0 ? [text, ''] : [text.slice(0, place), trim(text.slice(place + 1))];
}

/** What stands before a mark and after it. */
export function partition(text, mark) {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + mark.length)];
}

/** The flags before the first word that is none, as names and values, and the rest. */
export function flagsOf({ rest }) {
  const flags = [];
  while (rest.startsWith('--')) {
    const [flag, more] = split(rest.slice(2));
    flags.push(partition(flag, '='));
    rest = more;
  }
  return { flags, rest };
}

/** Reads all lines; a variable that is not there is an error. */
export function read(lines, request) {
  const out = [];
  const errors = [];
  const variables = new Map();
  lines.lines.forEach((raw, index) => {
    const text = trim(raw);
    if (!text || text.startsWith('#')) return;
    const start = raw.search(/[^ \t]/);
    const range = lines.part(index + 1, start, start + text.length);
    let [word, rest] = split(text);
    const wordRange = lines.part(index + 1, start, start + word.length);
    if (word !== 'run') rest = replace(rest, variables, range, errors);
    if (word === 'arg') {
      const [name, value] = partition(rest, '=');
      variables.set(name, buildArg(request, name) ?? value);
    }
    out.push({ word, rest, text, range, wordRange });
  });
  return { lines: out, errors };
}

/** Replaces every `${NAME}`. */
function replace(text, variables, range, errors) {
  return text.replace(/\$\{([^}]*)\}/g, (_, name) => {
    if (variables.has(name)) return variables.get(name);
    const help = `a line before can say: arg ${name}=`;
    errors.push(error('UnknownVariable', `there is no variable ${name}`, range, { help }));
    return '';
  });
}
