-- @include lib/count
-- read_fields(key, list, first): field -> count for the fields at list[first], list[first + 2] and so
-- on, nothing for missing fields. Gives nil and a second result if a field holds no count.
local function read_fields(key, list, first)
  local now, names = {}, {}
  for i = first, #list, 2 do names[#names + 1] = list[i] end
  for from = 1, #names, 7000 do
    local to = math.min(from + 6999, #names)
    for i, count in ipairs(redis.call('HMGET', key, unpack(names, from, to))) do
      if count then
        if not is_count(count) then return nil, 'text' end
        now[names[from + i - 1]] = count
      end
    end
  end
  return now
end

-- read_pairs(list): field -> count for a reply of HGETALL; nil and a second result as above.
local function read_pairs(list)
  local now = {}
  for i = 1, #list, 2 do
    if not is_count(list[i + 1]) then return nil, 'text' end
    now[list[i]] = list[i + 1]
  end
  return now
end

-- take_back(key, now, list, first, last, sign): undo add_all up to and including list[last].
local function take_back(key, now, list, first, last, sign)
  for i = first, last, 2 do
    local field, by = list[i], list[i + 1]
    if not now[field] then
      redis.call('HDEL', key, field)
    elseif by ~= '0' then
      if sign == 'add' then by = negative(by) end
      if by == negative(SMALLEST) then
        redis.call('HINCRBY', key, field, 1)
        by = LARGEST
      end
      redis.call('HINCRBY', key, field, by)
    end
  end
end

-- add_all(key, now, list, first, sign): add (or with 'sub' subtract) the counts at list[first + 1] and
-- so on. Gives how many fields changed, or nil and the server's error after all changes were undone.
local function add_all(key, now, list, first, sign)
  local changed = 0
  for i = first, #list, 2 do
    local field, by = list[i], list[i + 1]
    if by ~= '0' or not now[field] then
      local done
      if sign == 'sub' and by == SMALLEST then
        done = less(now[field] or '0', '0') and redis.pcall('HINCRBY', key, field, LARGEST)
        if type(done) == 'number' then done = redis.pcall('HINCRBY', key, field, 1) end
        if not done then done = {err = 'overflow'} end
      else
        done = redis.pcall('HINCRBY', key, field, sign == 'sub' and negative(by) or by)
      end
      if type(done) == 'table' then
        take_back(key, now, list, first, i - 2, sign)
        return nil, done
      end
      changed = changed + 1
    end
  end
  return changed
end
