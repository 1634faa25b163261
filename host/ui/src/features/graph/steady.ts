/** Whether two values say the same: plain objects and lists by what is in them, all else by identity. */
function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => key in other && same(one[key as never], other[key as never]))
  );
}

/**
 * Keeps the objects of nodes or edges from one list to the next. The canvas draws again what is
 * another object, so what says the same as before has to be the same.
 */
export function steady<T extends { id: string }>(): (next: T[]) => T[] {
  let before: T[] = [];
  return (next) => {
    const known = new Map(before.map((each) => [each.id, each]));
    const kept = next.map((each) => {
      const old = known.get(each.id);
      return old && same(old, each) ? old : each;
    });
    if (kept.length !== before.length || kept.some((each, index) => each !== before[index])) before = kept;
    return before;
  };
}
