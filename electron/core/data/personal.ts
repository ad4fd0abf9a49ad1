/** Personal data by shape and checksum. Every scan is linear: digits are walked once, and mail addresses are read outwards from each `@`. */

export interface Place {
  readonly start: number;
  readonly end: number;
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const isWord = (code: number): boolean =>
  isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a) || code === 0x5f;

/** Luhn's checksum of a row of digits. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}

/** Numbers that payment services publish for tests. */
const TEST_CARDS = new Set(
  (
    '4242424242424242 4111111111111111 4012888888881881 4000056655665556 5555555555554444 5105105105105100 2223003122003222 ' +
    '5200828282828210 378282246310005 371449635398431 6011111111111117 6011000990139424 3056930009020004 36227206271667 ' +
    '3566002020360505 6200000000000005 30569309025904 38520000023237 3530111333300000 4000000000000002 4000000000009995'
  ).split(' '),
);

const CARD =
  /^(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11})$/;

/** Swiss insurance number: 756 and the checksum of an EAN-13. */
function isAhv(digits: string): boolean {
  if (digits.length !== 13 || !digits.startsWith('756')) return false;
  let sum = 0;
  for (let i = 0; i < 12; i++) sum += (digits.charCodeAt(i) - 0x30) * (i % 2 === 0 ? 1 : 3);
  return (10 - (sum % 10)) % 10 === digits.charCodeAt(12) - 0x30;
}

export interface Numbers {
  readonly cards: Place[];
  readonly phones: Place[];
  readonly ids: Place[];
}

/** Cards, telephone numbers and national numbers among the rows of digits of a text (single spaces, dots and dashes within). */
export function findNumbers(text: string): Numbers {
  const found: Numbers = { cards: [], phones: [], ids: [] };
  for (let i = 0; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) continue;
    const start = i;
    let count = 0;
    let end = i;
    for (; i < text.length && count < 24; i++) {
      const code = text.charCodeAt(i);
      if (isDigit(code)) {
        count += 1;
        end = i + 1;
      } else if ((code !== 0x20 && code !== 0x2d && code !== 0x2e) || !isDigit(text.charCodeAt(i + 1))) break;
    }
    while (i < text.length && isDigit(text.charCodeAt(i))) i += 1;
    if (count < 9) continue;
    const digits = text.slice(start, end).replace(/[^0-9]/g, '');
    const separators = text.slice(start, end).replace(/[0-9]/g, '');
    const before = start > 0 ? text.charCodeAt(start - 1) : 0;
    const glued = isWord(before) || before === 0x2e || isWord(text.charCodeAt(end));
    const one = new Set(separators).size <= 1;
    if (!glued && one && digits.length >= 13 && digits.length <= 19 && !separators.includes('.')) {
      if (CARD.test(digits) && luhn(digits) && !TEST_CARDS.has(digits)) found.cards.push({ start, end });
    }
    if (!glued && isAhv(digits)) found.ids.push({ start, end });
    if (before === 0x2b && digits.length >= 9 && digits.length <= 15 && digits[0] !== '0')
      found.phones.push({ start: start - 1, end });
    if (!glued && separators === '--' && /^\d{3}-\d{2}-\d{4}$/.test(text.slice(start, end)) && isSsn(digits))
      found.ids.push({ start, end });
  }
  return found;
}

function isSsn(digits: string): boolean {
  const area = digits.slice(0, 3);
  return (
    area !== '000' &&
    area !== '666' &&
    area < '900' &&
    digits.slice(3, 5) !== '00' &&
    digits.slice(5) !== '0000' &&
    digits !== '078051120' &&
    digits !== '123456789' &&
    digits !== '219099999'
  );
}

const EXAMPLE_HOST =
  /(?:^|\.)(?:example|test|invalid|localhost|local)$|^(?:example\.(?:com|org|net)|users\.noreply\.github\.com|domain\.com|email\.com)$/;

/** Mail addresses of people: not those of examples, of version control (`git@`) or of packages (`name@1.2.3`). */
export function findAddresses(text: string): readonly Place[] {
  const found: Place[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (
      start > 0 &&
      at - start < 64 &&
      (isWord(text.charCodeAt(start - 1)) || '.+-%'.includes(text.charAt(start - 1)))
    )
      start -= 1;
    let end = at + 1;
    while (
      end < text.length &&
      end - at < 200 &&
      (isWord(text.charCodeAt(end)) || '.-'.includes(text.charAt(end)))
    )
      end += 1;
    while (end > at && text[end - 1] === '.') end -= 1;
    const host = text.slice(at + 1, end).toLowerCase();
    if (at - start < 1 || !/^[a-z0-9][a-z0-9.-]*\.[a-z]{2,24}$/.test(host) || EXAMPLE_HOST.test(host))
      continue;
    if (text.slice(start, at) === 'git' || text[end] === ':') continue;
    found.push({ start, end });
  }
  return found;
}

const IBAN = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g;
const TEST_IBANS = new Set([
  'DE89370400440532013000',
  'GB82WEST12345698765432',
  'GB29NWBK60161331926819',
  'FR1420041010050500013M02606',
  'CH9300762011623852957',
]);

/** Account numbers whose checksum (modulo 97) holds. */
export function findIbans(text: string): readonly Place[] {
  const found: Place[] = [];
  IBAN.lastIndex = 0;
  for (let match = IBAN.exec(text); match !== null; match = IBAN.exec(text)) {
    const plain = match[0].replaceAll(' ', '');
    if (plain.length < 15 || plain.length > 34 || TEST_IBANS.has(plain)) continue;
    let rest = 0;
    for (const char of plain.slice(4) + plain.slice(0, 4)) {
      const value = Number.parseInt(char, 36);
      rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    if (rest === 1) found.push({ start: match.index, end: match.index + match[0].length });
  }
  return found;
}
