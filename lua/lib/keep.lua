-- @include lib/each
-- merged(op, now, list, first, whole): the wanted count of each field: the larger ('or') or the smaller ('and')
-- count of now and of the list. A missing count is 0. 'and' over the whole goes over all fields of now.
local function merged(op, now, list, first, whole)
  local wanted = {}
  for field, count in pairs(now) do
    wanted[field] = (op == 'and' and whole) and '0' or count
  end
  for i = first, #list, 2 do
    local field, by = list[i], list[i + 1]
    local old = now[field] or '0'
    wanted[field] = less(old, by) == (op == 'or') and by or old
  end
  return wanted
end

-- keep_positive(key, now, wanted, there): store the wanted counts (unless they are there already), and remove
-- fields whose count is not above 0. Gives whether a kept field has another count than before.
local function keep_positive(key, now, wanted, there)
  local kept, gone = {}, {}
  for field, count in pairs(wanted) do
    if not less('0', count) then
      gone[#gone + 1] = field
    elseif count ~= now[field] then
      kept[#kept + 1] = field
      kept[#kept + 1] = count
    end
  end
  each('HDEL', key, gone, 1)
  if not there then each('HSET', key, kept, 1) end
  return #kept > 0
end
