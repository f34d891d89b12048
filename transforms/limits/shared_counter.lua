-- Counts the quota of one route for all its clients: settles what is finished, then grants what is
-- wanted if there is room. Redis runs one script at a time, so nothing is granted twice.
--
-- KEYS[1]  A hash with all that is known of the route: `state`, and a field for each grant of the
--          last minute, named by its number. It is one key, so that it is lost as a whole or not at all.
--          Other versions of stillroom may share it: keep the names and the form of what it holds.
-- ARGV[1]  The settings, the same in each call: JSON, see `_settings` in shared_counter.py.
-- ARGV[2]  What to do: JSON, see `_ask` there.
-- Returns  JSON: {grant: …}, {wait: seconds}, {denied: "day"}, {in_flight: true}, {lost: true} or
--          {}. All but `lost` hold the `epoch` and `newest`, the number of the last grant.
--
-- Lists of four hold a value for each kind: requests, tokens, prompt tokens and completion tokens a
-- minute. Lists of two: requests and tokens a day. A limit of 0 is no limit. Times are seconds since
-- 1970 UTC, by this server's clock.

local key = KEYS[1]
local how = cjson.decode(ARGV[1])
local ask = cjson.decode(ARGV[2])
local window = how.minute * how.window_margin
local short_window_seconds = how.short_window * how.window_margin
local DAY = 86400
local WALK = 1000 -- most entries read for a wait; after one that is too short, the client asks again

local function amounts(prompt, completion)
  return { 1, prompt + completion, prompt, completion }
end

local function daily(prompt, completion)
  return { 1, prompt + completion }
end

local function begin()
  local packed = redis.call('HGET', key, 'state')
  if packed then
    return cmsgpack.unpack(packed)
  end
  return {
    epoch = ask.nonce, -- a new state has another epoch than the one that was lost
    now = 0,
    not_before = 0,
    oldest = 1, -- number of the oldest grant in the minute's window
    newest = 0,
    sums = { 0, 0, 0, 0 }, -- of the minute's window
    even_oldest = 1, -- number of the oldest grant in the short window
    even_sums = { 0, 0, 0, 0 }, -- of the short window: what is expected, then what was used
    even_doubts = { 0, 0, 0, 0 }, -- variances of what is expected
    due = { 0, 0, 0, 0 }, -- when the next amount is due, by the pace
    saved = { 0, 0, 0, 0 }, -- seconds by which it turned out to be due earlier
    known = { 1, 1, 1, 1 }, -- number of answers of known usage
    shares = { 1, 1, 1, 1 }, -- mean share of a reservation that is used
    variances = { 0, 0, 0, 0 }, -- of those shares
    day = 0,
    used = { 0, 0 },
    reserved = { 0, 0 },
  }
end

local state = begin()

local function save()
  redis.call('HSET', key, 'state', cmsgpack.pack(state))
  redis.call('EXPIRE', key, how.keep_seconds)
end

local function reply_with(reply)
  save()
  reply.epoch, reply.newest = state.epoch, state.newest
  return cjson.encode(reply)
end

-- If a client knows a grant that this state does not hold, grants were lost: by a restart, a flush,
-- or a fail-over to a replica that lagged. Then it is unknown what the last minute holds.
local function is_lost()
  return ask.epoch ~= '' and (ask.epoch ~= state.epoch or ask.newest > state.newest)
end

local function lose()
  if ask.epoch == state.epoch then
    state.epoch = ask.nonce -- so that all other clients notice it too
  end
  state.not_before = state.now + window
  save()
  return cjson.encode({ lost = true })
end

-- The clock never goes back, so that grants stay in their order.
local function read_clock()
  local time = redis.call('TIME')
  state.now = math.max(state.now, tonumber(time[1]) + tonumber(time[2]) / 1e6)
  local day = math.floor(state.now / DAY)
  if day ~= state.day then
    state.day, state.used, state.reserved = day, { 0, 0 }, { 0, 0 }
  end
  if ask.today[1] == day then
    for kind = 1, 2 do -- what was lost with its process is reserved here, and in the ledger too
      local others = ask.today[kind + 1] - state.reserved[kind]
      state.used[kind] = math.max(state.used[kind], others)
    end
  end
end

-- An entry is {time, prompt, completion, paced, variances}: its tokens as counted in a minute; then,
-- by kind, as counted in the short window, what it is expected to use, or used, and the variance.
local function entry_of(number)
  return cmsgpack.unpack(redis.call('HGET', key, number))
end

local function keep(number, entry)
  redis.call('HSET', key, number, cmsgpack.pack(entry))
end

local function count_short(entry, sign)
  for kind = 1, 4 do
    state.even_sums[kind] = state.even_sums[kind] + sign * entry[4][kind]
    state.even_doubts[kind] = state.even_doubts[kind] + sign * entry[5][kind]
  end
end

local function drop_from_minute()
  while state.oldest <= state.newest do
    local entry = entry_of(state.oldest)
    if entry[1] > state.now - window then
      return
    end
    for kind, amount in ipairs(amounts(entry[2], entry[3])) do
      state.sums[kind] = state.sums[kind] - amount
    end
    redis.call('HDEL', key, state.oldest)
    state.oldest = state.oldest + 1
  end
end

local function drop_from_short_window()
  while state.even_oldest <= state.newest do
    local entry = entry_of(state.even_oldest)
    if entry[1] > state.now - short_window_seconds then
      return
    end
    count_short(entry, -1)
    state.even_oldest = state.even_oldest + 1
  end
  state.even_sums, state.even_doubts = { 0, 0, 0, 0 }, { 0, 0, 0, 0 } -- removes rounding errors
end

-- The same as `_Answers`, `_ShortWindow` and `_Pace` in pacing.py, where the reasons are given.

local function expected(kind, amount)
  return amount * state.shares[kind]
end

local function variance(kind, amount)
  return amount * amount * state.variances[kind]
end

local function learn(kind, reserved, used)
  if used > 0 and reserved > 0 then
    state.known[kind] = state.known[kind] + 1
    local rate = math.max(how.learning_rate, 1 / state.known[kind])
    local off = used / reserved - state.shares[kind]
    state.shares[kind] = state.shares[kind] + rate * off
    state.variances[kind] = (1 - rate) * (state.variances[kind] + rate * off * off)
  end
end

local function short_room(kind, amount)
  local share, paced = how.limits[kind] * how.short_window / how.minute, expected(kind, amount)
  local few = how.max_spare_share * share
  local sum = state.even_doubts[kind] + variance(kind, amount)
  local spare = math.min(how.standard_deviations * math.sqrt(math.max(0, sum)), few)
  return share - spare + (paced > few and paced or 0)
end

local function seconds_each(kind)
  return how.minute / (how.limits[kind] * how.target_share)
end

local function early(kind, amount)
  local interval = expected(kind, amount) * seconds_each(kind)
  local room = how.short_window * (1 - how.target_share) - interval
  return math.min(math.max(0, room / 2), how.max_early)
end

local function pace(kind, paced)
  local saved = math.min(state.saved[kind], how.catch_up)
  local due = math.max(state.due[kind], state.now - saved)
  state.saved[kind] = math.max(0, state.now - due)
  state.due[kind] = due + paced * seconds_each(kind)
end

local function settle_pace(kind, used, paced)
  local earlier = (paced - used) * seconds_each(kind)
  state.due[kind] = state.due[kind] - earlier
  state.saved[kind] = math.max(0, state.saved[kind] + earlier)
end

local function settle_window(number, used)
  if number >= state.oldest then
    local entry = entry_of(number)
    local counted, now = amounts(entry[2], entry[3]), amounts(used[1], used[2])
    for kind = 1, 4 do
      state.sums[kind] = state.sums[kind] + now[kind] - counted[kind]
    end
    local settled = { entry[1], used[1], used[2], now, { 0, 0, 0, 0 } }
    if number >= state.even_oldest then
      count_short(entry, -1)
      count_short(settled, 1)
    end
    keep(number, settled)
  end
end

local function settle_day(done)
  if done.day == state.day then
    local reserved, used = daily(unpack(done.reserved)), daily(unpack(done.used))
    for kind = 1, 2 do
      state.reserved[kind] = state.reserved[kind] - reserved[kind]
      state.used[kind] = state.used[kind] + used[kind]
    end
  end
end

local function settle(done)
  settle_day(done)
  if done.known then
    settle_window(done.number, done.used)
    local reserved, used = amounts(unpack(done.reserved)), amounts(unpack(done.used))
    for kind = 1, 4 do
      if how.limits[kind] > 0 then
        settle_pace(kind, used[kind], done.paced[kind])
        learn(kind, reserved[kind], used[kind])
      end
    end
  end
end

-- Returns whether the day leaves no room: by what is used, or by that and what is reserved.
local function is_spent(wanted, with_reserved)
  for kind = 1, 2 do
    local counted = state.used[kind] + (with_reserved and state.reserved[kind] or 0)
    if how.daily[kind] > 0 and counted + wanted[kind] > how.daily[kind] then
      return true
    end
  end
  return false
end

local function is_over(sums, wanted)
  for kind = 1, 4 do
    if how.limits[kind] > 0 and sums[kind] + wanted[kind] > how.limits[kind] then
      return true
    end
  end
  return false
end

local function window_wait(wanted)
  local sums, wait = { unpack(state.sums) }, 0
  local number, last = state.oldest, math.min(state.newest, state.oldest + WALK)
  while is_over(sums, wanted) and number <= last do
    local entry = entry_of(number)
    for kind, amount in ipairs(amounts(entry[2], entry[3])) do
      sums[kind] = sums[kind] - amount
    end
    wait = entry[1] + window - state.now
    number = number + 1
  end
  return wait
end

local function is_short_over(sums, wanted, rooms)
  for kind = 1, 4 do
    local over = sums[kind] + expected(kind, wanted[kind]) - rooms[kind]
    if over > how.rounding then
      return true
    end
  end
  return false
end

local function short_wait(wanted)
  local rooms, sums, wait = {}, { unpack(state.even_sums) }, 0
  for kind = 1, 4 do
    rooms[kind] = how.limits[kind] > 0 and short_room(kind, wanted[kind]) or math.huge
  end
  local number, last = state.even_oldest, math.min(state.newest, state.even_oldest + WALK)
  while number <= last and is_short_over(sums, wanted, rooms) do
    local entry = entry_of(number)
    for kind, amount in ipairs(entry[4]) do
      sums[kind] = sums[kind] - amount
    end
    wait = entry[1] + short_window_seconds - state.now
    number = number + 1
  end
  return wait
end

local function wait_for(wanted)
  local wait = math.max(state.not_before - state.now, window_wait(wanted), short_wait(wanted))
  for kind = 1, 4 do
    if how.limits[kind] > 0 then
      wait = math.max(wait, state.due[kind] - early(kind, wanted[kind]) - state.now)
    end
  end
  return wait
end

local function grant(prompt, completion)
  local paced, variances = {}, {}
  for kind, amount in ipairs(amounts(prompt, completion)) do
    state.sums[kind] = state.sums[kind] + amount
    paced[kind], variances[kind] = expected(kind, amount), variance(kind, amount)
    if how.limits[kind] > 0 then
      pace(kind, paced[kind])
    end
  end
  for kind, amount in ipairs(daily(prompt, completion)) do
    state.reserved[kind] = state.reserved[kind] + amount
  end
  local entry = { state.now, prompt, completion, paced, variances }
  count_short(entry, 1)
  state.newest = state.newest + 1
  keep(state.newest, entry)
  local at = string.format('%.6f', state.now) -- cjson would cut a number to 14 digits
  return { number = state.newest, day = state.day, paced = paced, at = at }
end

local function reserve(prompt, completion)
  local today = daily(prompt, completion)
  if is_spent(today, false) then
    return { denied = 'day' }
  end
  if is_spent(today, true) then
    return { in_flight = true }
  end
  local wait = wait_for(amounts(prompt, completion))
  if wait > 0 then
    return { wait = wait }
  end
  return { grant = grant(prompt, completion) }
end

read_clock()
if is_lost() then
  return lose()
end
drop_from_short_window()
drop_from_minute()
for _, done in ipairs(ask.finished) do
  settle(done)
end
return reply_with(ask.wanted and reserve(unpack(ask.wanted)) or {})
