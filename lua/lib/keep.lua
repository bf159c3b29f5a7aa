-- @include lib/each
-- merged(op, now, list, first, whole): what each field shall hold: the larger ('or') or the smaller
-- ('and') count of now and of the list, missing ones being 0; 'and' over the whole takes all of now.
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

-- keep_positive(key, now, wanted, there): store what wanted says (unless it is there already), remove
-- what is not above 0; tells whether anything holds another count than before.
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
