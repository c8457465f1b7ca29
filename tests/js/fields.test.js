import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf, gather, placed } from '../../nbflow/view/js/fields.js';

const of = (schema, more = {}) => fieldOf({ choices: null, schema, ...more });
const object = (properties, more = {}) => of({ type: 'object', properties, ...more });
const only = (property, more = {}) => object({ a: property }, { required: ['a'], ...more }).fields[0];
const answer = (field, raws) => gather(field, ({ path }) => raws[path]);

test('choices are asked for as a choice, neither as text', () => {
  assert.deepEqual(of(null, { choices: ['Push', 'Discard'] }).options.map((o) => o.label), ['Push', 'Discard']);
  assert.deepEqual([of(null).kind, of(null).long], ['text', true]);
});

test('nothing is chosen for a person who has not chosen', () => {
  const field = of(null, { choices: ['Push', 'Discard'] });

  assert.equal(field.value, undefined);
  assert.deepEqual(answer(field, { '': null }).errors, { '': 'choose one' });
  assert.equal(answer(field, { '': 1 }).value, 'Discard');
});

test('a property of each type has its kind of field', () => {
  const kinds = {
    check: { type: 'boolean' },
    choice: { enum: ['a', 'b'], type: 'string' },
    number: { type: 'integer' },
    text: { type: 'string' },
    lines: { type: 'array', items: { type: 'string' } },
    several: { type: 'array', items: { enum: ['x', 'y'] } },
    group: { type: 'object', properties: { b: { type: 'string' } } },
    json: { type: 'object', additionalProperties: { type: 'integer' } },
  };
  for (const [kind, schema] of Object.entries(kinds)) assert.equal(only(schema).kind, kind);
});

test('what is not known is asked for as JSON', () => {
  const odd = [{}, true, null, { type: 'array' }, { type: 'array', prefixItems: [{ type: 'integer' }] }, { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    { $ref: '#/$defs/none' }, { $ref: 'http://evil.test/a' }, { type: 'array', items: { type: 'array', items: { type: 'string' } } }];
  for (const schema of odd) assert.equal(only(schema).kind, 'json');
});

test('references and "or null" are followed', () => {
  const schema = {
    type: 'object',
    $defs: { Level: { enum: ['low', 'high'], title: 'Level', type: 'string' } },
    properties: { level: { anyOf: [{ $ref: '#/$defs/Level' }, { type: 'null' }], default: null }, other: { $ref: '#/$defs/Level', default: 'high' } },
  };
  const [level, other] = of(schema).fields;

  assert.deepEqual([level.kind, level.nullable, level.label], ['choice', true, 'Level']);
  assert.deepEqual([other.label, other.value], ['Other', 'high']);
});

test('a schema that contains itself ends', () => {
  const tree = { $defs: { N: { type: 'object', properties: { n: { $ref: '#/$defs/N' } } } }, $ref: '#/$defs/N' };
  const deepest = (field) => (field.fields ? deepest(field.fields[0]) : field.kind);

  assert.equal(deepest(of(tree)), 'json');
  assert.equal(of({ $defs: { A: { $ref: '#/$defs/A' } }, $ref: '#/$defs/A' }).kind, 'json');
});

test('limits and defaults are those of the schema', () => {
  const number = only({ type: 'integer', exclusiveMinimum: 0, maximum: 10, default: 3 });

  assert.deepEqual([number.min, number.max, number.step, number.value], [1, 10, 1, '3']);
  assert.equal(only({ type: 'string', maxLength: 4000 }).long, true);
  assert.equal(only({ type: 'string', format: 'email' }).type, 'email');
  assert.deepEqual(object({ a: { type: 'object', properties: { b: { type: 'integer', default: 1 } } } }, { default: { a: { b: 7 } } }).fields[0].fields[0].value, '7');
});

test('an answer is plain JSON of the types that were asked for', () => {
  const field = object({
    yes: { type: 'boolean' }, n: { type: 'integer' }, x: { type: 'number' }, names: { type: 'array', items: { type: 'string' } },
    kinds: { type: 'array', items: { enum: ['p', 'q'] } }, any: {}, inner: { type: 'object', properties: { t: { type: 'string' } }, required: ['t'] },
  }, { required: ['yes', 'n', 'x', 'names', 'kinds', 'any', 'inner'] });
  const raws = { yes: true, n: '3', x: '1.5', names: 'a\r\n\nb c', kinds: [1], any: '{"k": [1]}', inner: true, 'inner.t': 'hi' };

  assert.deepEqual(answer(field, raws), {
    value: { yes: true, n: 3, x: 1.5, names: ['a', 'b c'], kinds: ['q'], any: { k: [1] }, inner: { t: 'hi' } }, errors: {},
  });
});

test('what is left empty is null where it may be, left out where it may be, and else an error', () => {
  const integer = { type: 'integer' };
  const field = object({ must: integer, may: integer, none: { anyOf: [integer, { type: 'null' }] } }, { required: ['must', 'none'] });

  assert.deepEqual(answer(field, { must: '1', may: '', none: '' }).value, { must: 1, none: null });
  assert.deepEqual(answer(field, { must: ' ', may: '', none: '' }).errors, { must: 'needs a number' });
});

test('an empty text is one where the schema says so', () => {
  assert.equal(answer(of({ type: 'string', default: '' }), { '': '' }).value, '');
  assert.deepEqual(answer(of({ type: 'string' }), { '': '' }).errors, { '': 'needs an answer' });
});

test('what had a default and was emptied is not sent as its default', () => {
  const [text, number] = [{ type: 'string', default: 'a' }, { type: 'integer', default: 3 }];
  const field = object({ text, short: { ...text, minLength: 1 }, day: { ...text, format: 'date' }, number, none: { ...number, nullable: true } }, {});
  const { value, errors } = answer(field, { text: '', short: '', day: '', number: '', none: '' });

  assert.deepEqual(value, { text: '', none: null });
  assert.deepEqual(errors, { short: 'needs an answer', day: 'needs an answer', number: 'needs a number' });
});

test('a content that stands for nothing is an error at its field', () => {
  const field = object({ n: { type: 'integer' }, list: { type: 'array', items: { type: 'integer' } }, json: {} }, {});
  const { errors } = answer(field, { n: '1.5', list: '1\nx', json: '{' });

  assert.equal(errors.n, 'must be a whole number');
  assert.equal(errors.list, 'line 2 must be a number');
  assert.match(errors.json, /^is not JSON: /);
  assert.deepEqual(answer(field, { n: '9007199254740993', list: '', json: '' }).errors, { n: 'is too large to be sent exactly' });
});

test('an optional group is null or its fields', () => {
  const inner = { type: 'object', properties: { t: { type: 'string' } }, required: ['t'] };
  const field = object({ g: { anyOf: [inner, { type: 'null' }], default: null } });

  assert.deepEqual(answer(field, { g: false }).value, { g: null });
  assert.deepEqual(answer(field, { g: true, 'g.t': 'x' }).value, { g: { t: 'x' } });
});

test('a moment is sent with the offset of the clock it was read from', () => {
  const { value } = answer(of({ type: 'string', format: 'date-time' }), { '': '2026-03-01T10:00' });

  assert.match(value, /^2026-03-01T10:00:00[+-]\d\d:\d\d$/);
  assert.equal(new Date(value).getTime(), new Date('2026-03-01T10:00').getTime());
});

test('a property may have any name', () => {
  const field = of(JSON.parse('{"type": "object", "properties": {"__proto__": {"type": "string"}, "constructor": {"type": "string"}}}'));

  const { value } = answer(field, { '': true, ['__proto__']: 'a', constructor: 'b' });
  assert.equal(JSON.stringify(value), '{"__proto__":"a","constructor":"b"}');
});

test('an error is told at the field it is in, with its place inside it', () => {
  const told = placed({ '': 'whole', severity: 'bad', 'items.0.name': 'short', 'items.2': 'odd', gone: 'extra' }, ['severity', 'items']);

  assert.deepEqual(told.get(''), ['whole', 'gone: extra']);
  assert.deepEqual(told.get('severity'), ['bad']);
  assert.deepEqual(told.get('items'), ['item 1, name: short', 'item 3: odd']);
});
