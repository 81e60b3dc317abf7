"use strict";
// Building of elements. Texts become text nodes: nothing that the page shows is ever parsed as HTML.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Return a text with control characters made visible, such as the escape sequences of terminals. */
function visible(text) {
  return String(text).replace(HIDDEN, (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** Return a new element. `attributes` with the value null or false are left out; functions become event listeners. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

/** Return a text in a box of its own direction, so that it cannot reorder the text around it. */
function isolated(text, name) {
  return el("bdi", { class: name || null }, text);
}

function option(value, text, selected) {
  return el("option", { value, selected: selected || false }, shorten(text, 90));
}

function shorten(text, length) {
  const whole = String(text);
  return whole.length > length ? whole.slice(0, length - 1) + "…" : whole;
}

function letter(index) {
  return String.fromCharCode(97 + index);
}

function count(number, one, many) {
  return number.toLocaleString("en") + " " + (number === 1 ? one : many);
}
