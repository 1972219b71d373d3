{# Macros that several KPI marts use. #}


{# `amount` converted at `rate` and rounded to cents, halves away from zero. NULL if there is no rate. #}
{% macro in_reporting_currency(amount, rate) -%}
    cast(round(cast({{ amount }} as decimal(24, 4)) * cast({{ rate }} as decimal(14, 8)), 2) as decimal(18, 2))
{%- endmacro %}


{# amount × part / whole, rounded to cents. The result is exact: dividing whole numbers is inexact only away from ties. #}
{% macro share_to_date(amount, part, whole) -%}
    (cast(floor((2 * cast({{ amount }} * 100 as bigint) * {{ part }} + {{ whole }}) / cast(2 * {{ whole }} as double)) as decimal(18, 0))
        * cast(0.01 as decimal(3, 2)))
{%- endmacro %}


{# (current − prior) / prior; NULL if there is no prior value, or if it is not above zero. #}
{% macro growth(current, prior) -%}
    case when {{ prior }} > 0 then {{ safe_divide('(' ~ current ~ ' - ' ~ prior ~ ')', prior) }} end
{%- endmacro %}


{# The months of which an entity's costs are delivered, in one row: whether each source that delivers it monthly has rows, the
   last month that all of these have delivered, and the first month that was delivered from its beginning. A month counts as
   delivered if a row of that month or a later one has arrived. #}
{% macro months_in(entity, day) -%}
    select
        count(*) = {{ var('monthly').get(entity, []) | length }} as is_each_source_in,
        min(last_month) as last_month,
        (
            select min(first_whole_month) from {{ ref('int_histories') }} where entity = '{{ entity }}'
        ) as first_whole_month
    from (
        select
            _source,
            {{ period_start('month', 'max(' ~ day ~ ')') }} as last_month
        from {{ ref('int_' ~ entity) }}
        where _source in ({{ text_list(var('monthly').get(entity, [])) }})
        group by 1
    ) as monthly_sources
{%- endmacro %}


{# Whether every source has delivered the months from `first` to `last`, each less `lag` months, according to the row of
   `months_in`. #}
{% macro months_are_in(months_in, first, last, lag=0) -%}
    ({{ months_in }}.is_each_source_in and {{ months_lie_within(months_in, first, last, lag) }})
{%- endmacro %}


{# Whether these months are neither before the delivered months nor after them; true where no bound is known. #}
{% macro months_lie_within(months_in, first, last, lag=0) -%}
    (
        coalesce({{ add_period(first, 'month', -lag) }} >= {{ months_in }}.first_whole_month, true)
        and coalesce({{ add_period(last, 'month', -lag) }} <= {{ months_in }}.last_month, true)
    )
{%- endmacro %}


{# A bound of the 95 % Wilson interval of a rate (Wilson 1927); NULL without cases. `sign` is - for the lower bound. #}
{% macro wilson_bound(successes, cases, sign) -%}
    {%- set z = 1.959963984540054 -%}
    {%- set p = safe_divide(successes, cases) -%}
    {%- set n = 'nullif(cast(' ~ cases ~ ' as double), 0)' -%}
    (
        ({{ p }} + {{ z * z / 2 }} / {{ n }}
        {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z * z / 4 }} / ({{ n }} * {{ n }})))
        / (1 + {{ z * z }} / {{ n }})
    )
{%- endmacro %}


{# A bound of the 95 % interval of the mean of `cases` values, from their sum and the sum of their squares: mean ± t × s / √n
   (Student 1908), with the quantile of t as expanded in Abramowitz and Stegun 1964, 26.7.5, for p = 0.975. From 3 cases on, it is
   within 1 %; NULL for fewer, whose interval would say nothing. #}
{% macro mean_bound(cases, total, squares, sign) -%}
    {%- set degrees = '(cast(' ~ cases ~ ' as double) - 1)' -%}
    case
        when {{ cases }} >= 3
            then
                {{ safe_divide(total, cases) }} {{ sign }} (
                    1.959963984540054
                    + (2.372271230298562 + (2.82249861573961 + (2.555849679507722 + 1.58953405339382 / {{ degrees }})
                    / {{ degrees }}) / {{ degrees }}) / {{ degrees }}
                ) * sqrt(
                    -- Rounding can make the variance of equal values negative.
                    greatest(cast({{ squares }} as double) - cast({{ total }} as double) * {{ safe_divide(total, cases) }}, 0)
                    / {{ degrees }} / {{ cases }}
                )
    end
{%- endmacro %}


{# A bound of the 95 % interval of an NPS in points; NULL without answers. The adjusted Wald interval of Rocks 2016: the normal
   one, Var = (p + d − (p − d)²) / n, after three answers are added, a quarter of them promoters and a quarter detractors. It is
   limited to the scale, and for a single answer extended to the score. #}
{% macro nps_bound(promoters, detractors, responses, sign) -%}
    {%- set n = '(cast(' ~ responses ~ ' as double) + 3)' -%}
    {%- set p, d = '((' ~ promoters ~ ' + 0.75) / ' ~ n ~ ')', '((' ~ detractors ~ ' + 0.75) / ' ~ n ~ ')' -%}
    {%- set inner, outer = ('least', 'greatest') if sign == '-' else ('greatest', 'least') -%}
    case
        when {{ responses }} > 0
            then
                {{ outer }}(
                    {{ inner }}(
                        100 * ({{ p }} - {{ d }})
                        {{ sign }} 100 * 1.959963984540054 * sqrt(({{ p }} + {{ d }} - power({{ p }} - {{ d }}, 2)) / {{ n }}),
                        {{ safe_divide('100 * (' ~ promoters ~ ' - ' ~ detractors ~ ')', responses) }}
                    ),
                    cast({{ sign }}100 as double)
                )
    end
{%- endmacro %}


{# `amount`, or zero if it is NULL; always NULL if no source delivers one of the `entities` that it is computed from. #}
{% macro zero_if_delivered(amount, entities) -%}
    {%- if entities | reject('in', delivered_entities()) | list -%}
    cast(null as decimal(18, 2))
    {%- else -%}
    coalesce({{ amount }}, 0)
    {%- endif -%}
{%- endmacro %}


{# Texts as an SQL list; if there are none, a list that matches nothing. #}
{% macro text_list(texts) -%}
    {%- for text in texts -%}
    '{{ text | replace("'", "''") }}'{{ ', ' if not loop.last }}
    {%- else -%}
    'no such text'
    {%- endfor -%}
{%- endmacro %}


{# A bound of the 95 % interval of the difference between `value` and an earlier `<of>_value`, from the intervals of both: the
   square-and-add method of Newcombe 1998 (method 10 for two proportions with Wilson intervals), which Zou and Donner 2008 extend
   to other statistics. As in both papers, the values are the raw ones, which need not be the centres of their intervals.
   NULL without both intervals. The two groups of cases must be independent. #}
{% macro change_bound(of, sign) -%}
    {%- set near, far = ('ci_low', 'ci_high') if sign == '-' else ('ci_high', 'ci_low') -%}
    (
        cast(value - {{ of }}_value as double)
        {{ sign }} sqrt(
            power(cast(value - {{ near }} as double), 2) + power(cast({{ of }}_{{ far }} - {{ of }}_value as double), 2)
        )
    )
{%- endmacro %}
