// Convert the JSON schema of a question to form fields, their contents to a value, and errors to fields. Pure.
//
// A schema is data of the run and not trusted: a part with unknown keywords becomes a field for JSON text.

const LONG = 200; // letters from which a text field has several lines
const DEEP = 4; // groups within groups; a schema may contain itself
const MANY = 60; // properties of one group
const INPUTS = { date: 'date', 'date-time': 'datetime-local', time: 'time', email: 'email', uri: 'url', password: 'password' };

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const own = (object, name) => (isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined);

/** The field for a question; for an object a group with one field for each property in `fields`. */
export function fieldOf({ choices, schema }) {
  const root = { path: '', label: '', help: '', required: true, nullable: false, value: undefined };
  if (choices?.length) return { ...root, kind: 'choice', options: choices.map(option) };
  if (schema == null) return { ...root, kind: 'text', type: 'text', long: true };
  return fromSchema(schema, { ...root, top: schema, deep: 0 });
}

function fromSchema(schema, { top, deep, ...place }) {
  const s = resolved(schema, top);
  const value = place.value === undefined ? s.default : place.value;
  const base = { ...place, help: String(s.description ?? ''), nullable: Boolean(s.nullable), value };
  return KINDS.map((kind) => kind(s, base, { top, deep })).find(Boolean) ?? asJson(base);
}

/** A schema with references resolved, and with `nullable` in place of an alternative `null`. */
function resolved(schema, top, left = 20) {
  if (!isObject(schema) || left === 0) return {};
  const { $ref, allOf, anyOf, ...rest } = schema;
  if ($ref !== undefined) return resolved({ ...referred($ref, top), ...rest }, top, left - 1);
  if (allOf?.length === 1) return resolved({ ...allOf[0], ...rest }, top, left - 1);
  if (Array.isArray(anyOf)) return oneOf(anyOf, rest, top, left);
  if (!Array.isArray(rest.type)) return rest;
  return oneOf(rest.type.map((type) => ({ type })), { ...rest, type: undefined }, top, left);
}

function oneOf(kinds, rest, top, left) {
  const some = kinds.filter((kind) => kind?.type !== 'null');
  const nullable = some.length < kinds.length || rest.nullable;
  // pydantic's schema for Decimal: a number, or a string with a pattern for numbers.
  const decimal = some.length === 2 && some[0]?.type === 'number' && some[1]?.pattern !== undefined;
  if (some.length !== 1 && !decimal) return { description: rest.description, default: rest.default, nullable };
  const { type, ...more } = rest;
  return resolved({ ...some[0], ...more, ...(type && { type }), nullable }, top, left - 1);
}

function referred($ref, top) {
  const [, home, name] = /^#\/(\$defs|definitions)\/(.+)$/.exec($ref) ?? [];
  return own(own(top, home), name?.replaceAll('~1', '/').replaceAll('~0', '~')) ?? {};
}

const KINDS = [asChoice, asCheck, asNumber, asText, asSeveral, asLines, asGroup];

const option = (value) => ({ value, label: typeof value === 'string' ? value : (SAID.get(value) ?? JSON.stringify(value)) });
const SAID = new Map([[true, 'Yes'], [false, 'No'], [null, 'None']]);

function asChoice(s, base) {
  const values = 'const' in s ? [s.const] : s.enum;
  if (!Array.isArray(values)) return s.type === 'boolean' && base.nullable ? choice(base, [true, false]) : null;
  return choice('const' in s ? { ...base, value: s.const } : base, values);
}

function choice(base, values) {
  const options = values.map(option);
  const known = options.some(({ value }) => value === base.value);
  return { ...base, kind: 'choice', options, value: known ? base.value : undefined };
}

function asCheck(s, base) {
  return s.type === 'boolean' ? { ...base, kind: 'check', value: base.value === true } : null;
}

function asNumber(s, base) {
  if (s.type !== 'integer' && s.type !== 'number') return null;
  const whole = s.type === 'integer';
  const [above, below] = [s.exclusiveMinimum, s.exclusiveMaximum];
  const limits = {
    min: s.minimum ?? (whole && above !== undefined ? above + 1 : above),
    max: s.maximum ?? (whole && below !== undefined ? below - 1 : below),
    step: s.multipleOf ?? (whole ? 1 : 'any'),
  };
  return { ...base, kind: 'number', whole, ...limits, value: text(base.value) };
}

function asText(s, base) {
  if (s.type !== 'string') return null;
  const type = own(INPUTS, s.format) ?? 'text';
  const long = type === 'text' && (s.maxLength > LONG || s.format === 'multiline' || String(base.value ?? '').includes('\n'));
  const value = type === 'datetime-local' ? wallClock(base.value) : text(base.value);
  return { ...base, kind: 'text', type, long, value, most: s.maxLength, least: s.minLength };
}

const text = (value) => (['string', 'number'].includes(typeof value) ? String(value) : undefined);

function asSeveral(s, base, { top }) {
  const values = s.type === 'array' ? resolved(s.items, top).enum : null;
  if (!Array.isArray(values)) return null;
  const value = Array.isArray(base.value) ? base.value : [];
  return { ...base, kind: 'several', options: values.map(option), value };
}

function asLines(s, base, { top }) {
  const item = s.type === 'array' && !s.prefixItems ? resolved(s.items, top) : {};
  if (!['string', 'integer', 'number'].includes(item.type) || item.nullable) return null;
  const given = base.value ?? [];
  if (!Array.isArray(given) || given.some((one) => text(one) === undefined || text(one).includes('\n'))) return null;
  return { ...base, kind: 'lines', item: item.type, value: given.join('\n') };
}

function asGroup(s, base, { top, deep }) {
  const names = Object.keys(s.properties ?? {});
  if (s.type !== 'object' || !names.length || names.length > MANY || deep > DEEP) return null;
  const fields = names.map((name) => {
    const part = s.properties[name];
    const path = base.path ? `${base.path}.${name}` : name;
    const label = String(own(part, 'title') ?? spaced(name));
    return fromSchema(part, { path, name, label, required: (s.required ?? []).includes(name), value: own(base.value, name), top, deep: deep + 1 });
  });
  // An optional group has a check box.
  const optional = base.path !== '' && (base.nullable || !base.required);
  return { ...base, kind: 'group', fields, optional, value: optional ? isObject(base.value) : true };
}

const asJson = (base) => ({ ...base, kind: 'json', value: base.value === undefined ? undefined : JSON.stringify(base.value, null, 2) });

const spaced = (name) => name.replaceAll('_', ' ').trim().replace(/^./, (letter) => letter.toUpperCase()) || name;

/** Convert "2026-03-01T10:00:00Z" to local time without an offset; undefined for an invalid date. */
function wallClock(iso) {
  const at = new Date(typeof iso === 'string' ? iso : NaN);
  if (Number.isNaN(at.getTime())) return undefined;
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** Add the offset to a local time, so that it means the same moment in every time zone. */
function withOffset(local) {
  const minutes = -new Date(local).getTimezoneOffset();
  const two = (n) => String(n).padStart(2, '0');
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${local.length === 16 ? `${local}:00` : local}${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`;
}

/**
 * Convert the contents of the fields to {value}, plain JSON, and {errors}, messages by path for invalid contents.
 * `rawOf` returns the content of a field: a boolean for a check box, the index of the option or null for a choice, the
 * indexes for several choices, whether it is filled in for a group, and the text for any other field.
 */
export function gather(field, rawOf) {
  const errors = {};
  const value = read(field, rawOf, errors);
  return { value: value ?? null, errors };
}

// Returns undefined for a field that is left out.
function read(field, rawOf, errors) {
  const raw = rawOf(field);
  if (field.kind === 'group') return field.optional && !raw ? absent(field) : readGroup(field, rawOf, errors);
  try {
    return READ[field.kind](field, raw);
  } catch (error) {
    errors[field.path] = error.message;
    return undefined;
  }
}

function readGroup(field, rawOf, errors) {
  const pairs = field.fields.map((part) => [part.name, read(part, rawOf, errors)]);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

const READ = {
  check: (field, raw) => raw,
  choice: (field, raw) => (raw === null ? missing(field, 'choose one') : field.options[raw].value),
  several: (field, raw) => raw.map((index) => field.options[index].value),
  number: (field, raw) => (raw.trim() === '' ? missing(field, 'needs a number') : number(raw, field.whole)),
  text: readText,
  lines: (field, raw) => raw.split('\n').map((line) => line.replace(/\r$/, '')).filter((line) => line.trim() !== '').map(item(field)),
  json: (field, raw) => (raw.trim() === '' ? missing(field, 'needs a value, as JSON') : parsed(raw)),
};

function readText(field, raw) {
  if (raw === '') return mayBeEmpty(field) ? '' : missing(field, 'needs an answer');
  return field.type === 'datetime-local' ? withOffset(raw) : raw;
}

// An emptied text that had a default is sent as an empty text: if it were left out, the default would apply again.
function mayBeEmpty({ value, least, nullable, type }) {
  const had = value !== undefined && !nullable && type === 'text';
  return value === '' || least === 0 || (had && least === undefined);
}

function missing(field, message) {
  if ((field.required || field.value !== undefined) && !field.nullable) throw new Error(message);
  return absent(field);
}

const absent = (field) => (field.nullable ? null : undefined);

function number(raw, whole) {
  const value = Number(raw);
  if (!Number.isFinite(value)) throw new Error('must be a number');
  if (whole && !Number.isInteger(value)) throw new Error('must be a whole number');
  if (whole && !Number.isSafeInteger(value)) throw new Error('is too large to be sent exactly');
  return value;
}

const item = (field) => (line, index) => {
  if (field.item === 'string') return line;
  try {
    return number(line, field.item === 'integer');
  } catch (error) {
    throw new Error(`line ${index + 1} ${error.message}`, { cause: error });
  }
};

/** The value of a JSON text; an error says where the text is invalid. */
export function parsed(raw) {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw new Error(`is not JSON: ${error.message}`, { cause: error });
  }
}

/** Assign errors by path to fields: path of the field -> messages, prefixed with the path inside the field. */
export function placed(errors, paths) {
  const byField = new Map();
  for (const [path, message] of Object.entries(errors)) {
    const within = paths.filter((one) => one === '' || one === path || path.startsWith(`${one}.`));
    const home = within.reduce((best, one) => (one.length > best.length ? one : best), '');
    byField.set(home, [...(byField.get(home) ?? []), inside(path.slice(home.length).replace(/^\./, '')) + message]);
  }
  return byField;
}

function inside(rest) {
  if (rest === '') return '';
  return `${rest.replace(/^\d+/, (index) => `item ${Number(index) + 1}`).replace(/^(item \d+)\./, '$1, ')}: `;
}
