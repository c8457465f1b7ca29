// Binary search in sorted lists. Pure.

/** The index of the first item for which `holds` is true, if it is true for all items after it; the length if none. */
export function firstThat(list, holds) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
