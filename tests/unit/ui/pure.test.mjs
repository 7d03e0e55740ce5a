import assert from "node:assert/strict";
import { test } from "node:test";

import {
  actionOf, bar, beyond, clamp, difference, dwell, marked, oneLine, spoken, took, visible,
  windowsFor,
} from "../../../ui/replay/pure.js";

test("few rows are drawn however long the list", () => {
  const [first, last] = visible(28 * 5000, 560, 100_000);
  assert.ok(first <= 5000 && last >= 5020 && last - first < 60);
  assert.deepEqual(visible(0, 500, 3), [0, 3]);
  assert.deepEqual(visible(10_000, 500, 0), [349, 349]);
});

test("the windows around a step are asked for once", () => {
  assert.deepEqual(windowsFor(45, 1000, 50, new Set()), [1, 51]);
  assert.deepEqual(windowsFor(45, 1000, 50, new Set([1, 51])), []);
  assert.deepEqual(windowsFor(1, 3, 50, new Set()), [1]);
});

test("steps stay within the run", () => {
  assert.equal(clamp(0, 5), 1);
  assert.equal(clamp(99, 5), 5);
  assert.equal(clamp(NaN, 5), 1);
  assert.equal(clamp(3, 0), 1);
});

test("next and previous failure", () => {
  assert.equal(beyond([3, 9], 3, 1), 9);
  assert.equal(beyond([3, 9], 9, 1), null);
  assert.equal(beyond([3, 9], 9, -1), 3);
  assert.equal(beyond([], 9, -1), null);
});

test("keys with a modifier stay the browser's", () => {
  assert.equal(actionOf({ key: "j" }), "next");
  assert.equal(actionOf({ key: "c", ctrlKey: true }), null);
  assert.equal(actionOf({ key: "x" }), null);
});

test("bars stay on the axis", () => {
  for (const [start, length] of [[0, 0], [50, 200], [100, 1], [0, 100]]) {
    const [left, width] = bar(start, length, 100);
    assert.ok(left >= 0 && width > 0 && left + width <= 100.0001);
  }
});

test("durations", () => {
  assert.equal(took(0.5), "500 µs");
  assert.equal(took(340), "340 ms");
  assert.equal(took(2940), "2.9 s");
  assert.equal(took(200_000), "3 m 20 s");
  assert.equal(took(7_500_000), "2 h 5 m");
});

test("evidence is marked where it stands, and all text stays", () => {
  const pieces = marked("one two three", ["two", "nothing"]);
  assert.deepEqual(pieces, [["one ", false], ["two", true], [" three", false]]);
  assert.equal(marked("abcdef", ["bcd", "cde"]).map(([t]) => t).join(""), "abcdef");
  assert.deepEqual(marked("", ["x"]), [["", false]]);
});

test("a difference holds every line of both", () => {
  const lines = difference("a\nb\nc", "a\nx\nc\nd");
  assert.deepEqual(lines, [[" ", "a"], ["-", "b"], ["+", "x"], [" ", "c"], ["+", "d"]]);
});

test("what is read aloud", () => {
  const row = [4, "tool", "search_docs", "error", "f", 0, 0, 0, ""];
  assert.equal(
    spoken(row, 38, "Groundedness"),
    "step 4 of 38, tool search_docs, failed Groundedness, error",
  );
  assert.equal(oneLine("a\n  b", 10), "a b");
});

test("playing is neither too fast nor too slow", () => {
  assert.equal(dwell(1, 1), 180);
  assert.equal(dwell(100_000, 1), 2500);
  assert.equal(dwell(1000, 4), 250);
});
