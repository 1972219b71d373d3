{# How KPIs depend on each other: the nodes of the tree, and the relations between them.
   A node has a name and a unit. It is a value that the scorecard has of the company and of cuts: `kpi`, `variant`, and `column`
   (value, numerator or denominator; default: value). A node that the scorecard lacks is defined by an expression over others.
   A relation is an identity, whose expression over nodes is the parent to the cent in every cut and period
   (tests/assert_identities_of_the_kpi_tree_hold.sql), or an association: the child moves the parent, but nothing adds up.
   The first identity of a node is the one that its change is split by. #}
{% macro kpi_tree_nodes() -%}
    {{ return({
        'revenue': {'name': 'Net revenue', 'unit': 'money', 'kpi': 'revenue', 'variant': 'net'},
        'orders': {'name': 'Orders', 'unit': 'count', 'kpi': 'revenue', 'variant': 'orders'},
        'customers': {'name': 'Customers who ordered', 'unit': 'count', 'kpi': 'revenue', 'variant': 'customers'},
        'orders_per_customer': {'name': 'Orders per customer', 'unit': 'ratio', 'kpi': 'revenue',
            'variant': 'orders_per_customer'},
        'orders_without_customer': {'name': 'Orders without a customer', 'unit': 'count',
            'definition': 'orders - customers * orders_per_customer'},
        'average_order': {'name': 'Average order value', 'unit': 'money', 'kpi': 'revenue', 'variant': 'aov'},
        'refunds': {'name': 'Refunds', 'unit': 'money', 'kpi': 'revenue', 'variant': 'refunds'},
        'new_customer_revenue': {'name': 'Net revenue of new customers', 'unit': 'money', 'kpi': 'revenue',
            'variant': 'new_customer_net'},
        'repeat_revenue': {'name': 'Net revenue of returning customers', 'unit': 'money', 'kpi': 'revenue',
            'variant': 'repeat_net'},
        'retention': {'name': 'Retained customers', 'unit': 'rate', 'kpi': 'retention', 'variant': 'logo'},
        'new_customers': {'name': 'New customers', 'unit': 'count', 'kpi': 'cac', 'variant': 'blended',
            'column': 'denominator'},
        'converted_leads': {'name': 'Leads converted in 30 days', 'unit': 'count', 'kpi': 'lead_conversion',
            'variant': 'cohort_30d', 'column': 'numerator'},
        'leads': {'name': 'Leads created', 'unit': 'count', 'kpi': 'lead_conversion', 'variant': 'cohort_30d',
            'column': 'denominator'},
        'conversion': {'name': 'Lead conversion in 30 days', 'unit': 'rate', 'kpi': 'lead_conversion', 'variant': 'cohort_30d'},
        'bookings': {'name': 'Bookings', 'unit': 'money', 'kpi': 'revenue', 'variant': 'bookings'},
        'closed_deals': {'name': 'Deals closed', 'unit': 'count', 'kpi': 'win_rate', 'variant': 'closed_count',
            'column': 'denominator'},
        'win_rate': {'name': 'Won of closed', 'unit': 'rate', 'kpi': 'win_rate', 'variant': 'closed_count'},
        'average_deal': {'name': 'Average deal won', 'unit': 'money', 'kpi': 'win_rate', 'variant': 'average_deal'},
        'pipeline': {'name': 'Open deals at the start', 'unit': 'money', 'kpi': 'win_rate', 'variant': 'pipeline_coverage',
            'column': 'numerator'},
        'acquisition_cost': {'name': 'Media and programme costs', 'unit': 'money', 'kpi': 'cac', 'variant': 'blended',
            'column': 'numerator'},
        'cac': {'name': 'Acquisition cost per new customer', 'unit': 'money', 'kpi': 'cac', 'variant': 'blended'},
    }) }}
{%- endmacro %}

{% macro kpi_tree_relations() -%}
    {{ return([
        {'parent': 'revenue', 'expression': 'orders * average_order - refunds',
         'children': ['orders', 'average_order', 'refunds']},
        {'parent': 'orders', 'expression': 'customers * orders_per_customer + orders_without_customer',
         'children': ['customers', 'orders_per_customer', 'orders_without_customer']},
        {'parent': 'revenue', 'expression': 'new_customer_revenue + repeat_revenue',
         'children': ['new_customer_revenue', 'repeat_revenue']},
        {'parent': 'new_customer_revenue', 'children': ['new_customers']},
        {'parent': 'new_customers', 'children': ['converted_leads']},
        {'parent': 'converted_leads', 'expression': 'leads * conversion', 'children': ['leads', 'conversion']},
        {'parent': 'repeat_revenue', 'children': ['retention']},
        {'parent': 'revenue', 'children': ['bookings']},
        {'parent': 'bookings', 'expression': 'closed_deals * win_rate * average_deal',
         'children': ['closed_deals', 'win_rate', 'average_deal']},
        {'parent': 'closed_deals', 'children': ['pipeline']},
        {'parent': 'cac', 'expression': 'acquisition_cost / new_customers',
         'children': ['acquisition_cost', 'new_customers']},
    ]) }}
{%- endmacro %}


{# One record per root and per child of a relation, in the order of the tree. #}
{% macro kpi_tree_edges() -%}
    {%- set relations, edges = kpi_tree_relations(), [] -%}
    {%- set children = relations | map(attribute='children') | sum(start=[]) -%}
    {%- for node in kpi_tree_nodes() if node not in children -%}
        {%- do edges.append({'child': node, 'kind': 'root'}) -%}
    {%- endfor -%}
    {%- for relation in relations -%}
        {%- set kind = 'identity' if relation.expression else 'association' -%}
        {%- for child in relation.children -%}
            {%- do edges.append({'parent': relation.parent, 'child': child, 'kind': kind, 'expression': relation.expression}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(edges) }}
{%- endmacro %}


{# An expression over nodes, as one over nodes that the scorecard has. #}
{% macro kpi_tree_expression(expression) -%}
    {%- set words = [] -%}
    {%- for word in expression.split(' ') -%}
        {%- set place = kpi_tree_nodes().get(word, {}) -%}
        {%- do words.append('(' ~ place.definition ~ ')' if place.definition else word) -%}
    {%- endfor -%}
    {{ words | join(' ') }}
{%- endmacro %}
