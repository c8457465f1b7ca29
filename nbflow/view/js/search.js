// Looking things up in rising lists. Pure.

/** The index of the first item that `holds`, of a list where whatever comes after it does too; its length for none. */
export function firstThat(list, holds) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
