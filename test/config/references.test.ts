import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeReferences, hasReference, parseReferences } from '../../lib/config/references.ts';

describe('references', () => {
  it.each([
    ['plain', ['plain']],
    ['', ['']],
    ['${env:A}', [{ kind: 'env', name: 'A', text: '${env:A}' }]],
    ['${ssm:/a/b}', [{ kind: 'ssm', name: '/a/b', text: '${ssm:/a/b}' }]],
    ['${secret:a/b#k}', [{ kind: 'secret', name: 'a/b', jsonKey: 'k', text: '${secret:a/b#k}' }]],
    ['x${env:A}y${env:B}', ['x', { kind: 'env', name: 'A', text: '${env:A}' }, 'y', { kind: 'env', name: 'B', text: '${env:B}' }]],
    ['$${env:A}', ['${env:A}']],
    ['$$${env:A}', ['$${env:A}']],
    ['a$b{c}', ['a$b{c}']],
  ])('%s', (text, parts) => {
    expect(parseReferences(text)).toEqual({ parts });
  });

  it.each(['${env:A', '${A}', '${evn:A}', '${env:}', '${env: A}', '${env:A-B}', '${secret:a#}', '${}'])('%s is malformed', (text) => {
    expect(parseReferences(text).fault).toMatch(/reference/);
  });

  it('repeats nothing of what stands where a name should be', () => {
    expect(parseReferences('${hunter2}').fault).not.toContain('hunter2');
    expect(parseReferences('${env:hunter-2}').fault).not.toContain('hunter-2');
  });

  it('reads back every text that was escaped', () => {
    const awkward = fc.array(fc.constantFrom('$', '{', '}', ':', 'env', 'A', '#', ' ')).map((parts) => parts.join(''));
    fc.assert(fc.property(fc.oneof(awkward, fc.string()), (text) => parseReferences(escapeReferences(text)).parts?.join('') === text));
  });

  it('are found where they are', () => {
    expect(['${env:A}', 'x${ssm:y}', '$${env:A}', '$x', '${x}'].map(hasReference)).toEqual([true, true, false, false, false]);
  });
});
