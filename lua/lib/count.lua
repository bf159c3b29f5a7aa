local LARGEST, SMALLEST = '9223372036854775807', '-9223372036854775808'

-- less(a, b): a < b for integers as text, exactly; Lua's own numbers are doubles.
local function less(a, b)
  if a == b then return false end
  local below = string.sub(a, 1, 1) == '-'
  if below ~= (string.sub(b, 1, 1) == '-') then return below end
  if #a ~= #b then return (#a < #b) ~= below end
  return (a < b) ~= below
end

-- is_count(text): whether the text is an integer of 64 bits, written as this library and the server write integers.
local function is_count(text)
  if text == '0' then return true end
  if #text > 20 or not string.find(text, '^%-?[1-9]%d*$') then return false end
  return not less(LARGEST, text) and not less(text, SMALLEST)
end

-- negative(n): -n, for every n but the smallest.
local function negative(n)
  if n == '0' then return n end
  return string.sub(n, 1, 1) == '-' and string.sub(n, 2) or '-' .. n
end
