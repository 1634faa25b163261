import { describe, expect, it } from "vitest";

import { between, duration, exact, relative } from "./time";

describe("duration", () => {
  it("keeps three significant digits", () => {
    expect(duration(0.8412)).toBe("0.841 ms");
    expect(duration(12.34)).toBe("12.3 ms");
    expect(duration(999.7)).toBe("1 s");
    expect(duration(1_234)).toBe("1.23 s");
  });
  it("goes on in larger units", () => {
    expect(duration(60_000)).toBe("1 min");
    expect(duration(125_000)).toBe("2 min 5 s");
    expect(duration(3_599_600)).toBe("1 h");
    expect(duration(12_000_000)).toBe("3 h 20 min");
    expect(duration(90_000_000)).toBe("1 d 1 h");
  });
});

describe("times", () => {
  it("are exact in UTC", () => {
    expect(exact("2026-11-24T08:15:02.123Z", true)).toBe("2026-11-24 08:15:02 UTC");
    expect(exact("2026-11-24T08:15:02.123Z", true, true)).toBe("2026-11-24 08:15:02.123 UTC");
    expect(exact("nonsense", true)).toBe("");
  });
  it("are relative to now", () => {
    const now = Date.parse("2026-11-24T08:00:00Z");
    expect(relative("2026-11-24T07:57:00Z", now)).toBe("3 min. ago");
    expect(relative("2026-11-24T10:00:00Z", now)).toBe("in 2 hr.");
    expect(relative("2026-11-24T07:59:58Z", now)).toBe("just now");
  });
  it("are measured until now where there is no end", () => {
    expect(between("2026-11-24T08:00:00Z", null, Date.parse("2026-11-24T08:00:01Z"))).toBe(1_000);
    expect(between(null, null, 0)).toBeNull();
  });
});
