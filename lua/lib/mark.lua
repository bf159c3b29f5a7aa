-- What FREE leaves in the key of a lease is no lease: 'F', a zero byte, its kind, four numbers, and more that only
-- clients read. No token begins so and is that long. The layout is that of plans/marks.py.

-- read_mark(value): kind, count, how many ms it holds up who comes new, how many ms it lasts; nil for a token.
local function read_mark(value)
  if #value < 17 or string.sub(value, 1, 2) ~= 'F\0' then return nil end
  local kind, count, cool, life = string.match(value, '^(%l) (%d+) (%d+) (%d+) ', 3)
  if kind then return kind, tonumber(count), tonumber(cool), tonumber(life) end
end
