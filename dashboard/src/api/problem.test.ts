import { expect, test } from "vitest";
import { ApiError, explanationKey, isProblem, isWorthRetrying } from "./problem";

test.each([
  [new ApiError(503, { service: "case" }), "case", true],
  [new ApiError(503, { service: "something new" }), "unexpected", true],
  [new ApiError(403, { type: "urn:govconnect:problem:not-allowed" }), "notAllowed", false],
  [new ApiError(404, {}), "unexpected", false],
  [new TypeError("Failed to fetch"), "network", true],
])("%s is explained", (error, key, retry) => {
  expect(explanationKey(error)).toBe(key);
  expect(isWorthRetrying(error)).toBe(retry);
});

test("kinds and fields are read from the problem", () => {
  const error = new ApiError(422, {
    type: "urn:govconnect:problem:weak-password",
    errors: [{ field: "new_password", message: "…" }],
  });
  expect(isProblem(error, "weak-password")).toBe(true);
  expect(error.field).toBe("new_password");
});
