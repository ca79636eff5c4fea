using Levee.Server.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.OpenApi;

namespace Levee.Server.Http;

/// <summary>What the OpenAPI document says of a route, beside it in the code.</summary>
internal static class RouteDescription
{
    private const string ProblemJson = "application/problem+json";

    /// <summary>Names a route and says what it does, what it is counted as, and which problems it can answer.</summary>
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder route, string name, RequestOperation operation, string tag, string summary, string description, params int[] problems)
    {
        route.WithName(name).WithSummary(summary).WithDescription(description).WithTags(tag).WithMetadata(new RouteOperation(operation));
        foreach (var status in problems)
        {
            route.Produces<Problem>(status, ProblemJson);
        }

        return route;
    }

    /// <summary>Adds a query parameter.</summary>
    public static RouteHandlerBuilder Query(this RouteHandlerBuilder route, string name, string description, bool isRequired = false) =>
        route.WithMetadata(new RouteQuery(name)).Parameter(ParameterLocation.Query, name, description, isRequired);

    /// <summary>Adds a request header.</summary>
    public static RouteHandlerBuilder Header(this RouteHandlerBuilder route, string name, string description) =>
        route.Parameter(ParameterLocation.Header, name, description, isRequired: false);

    /// <summary>Adds the parameter at the end of a path, which is read from the raw target.</summary>
    public static RouteHandlerBuilder Rest(this RouteHandlerBuilder route, string name, string description) =>
        route.Parameter(ParameterLocation.Path, name, description, isRequired: true);

    /// <summary>Adds a body of any bytes.</summary>
    public static RouteHandlerBuilder Body(this RouteHandlerBuilder route, string description) => route.AddOpenApiOperationTransformer((operation, _, _) =>
    {
        operation.RequestBody = new OpenApiRequestBody
        {
            Description = description,
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType> { ["*/*"] = new OpenApiMediaType { Schema = Text("binary") } },
        };
        return Task.CompletedTask;
    });

    /// <summary>Adds an answer that is a value's bytes.</summary>
    public static RouteHandlerBuilder ProducesValue(this RouteHandlerBuilder route, string description) => route.AddOpenApiOperationTransformer((operation, _, _) =>
    {
        operation.Responses ??= [];
        operation.Responses["200"] = new OpenApiResponse
        {
            Description = description,
            Content = new Dictionary<string, OpenApiMediaType> { ["*/*"] = new OpenApiMediaType { Schema = Text("binary") } },
            Headers = new Dictionary<string, IOpenApiHeader>
            {
                ["ETag"] = new OpenApiHeader { Description = "The entry's version, quoted.", Schema = Text() },
                ["Age"] = new OpenApiHeader { Description = "Seconds since the entry was written.", Schema = Text() },
                ["Cache-Control"] = new OpenApiHeader { Description = "max-age, where the entry expires: max-age less Age is the TTL left.", Schema = Text() },
                [EntryHeaders.Version] = new OpenApiHeader { Description = "The version: 16 hexadecimal digits.", Schema = Text() },
                [EntryHeaders.Flags] = new OpenApiHeader { Description = "The flags, where they are not 0.", Schema = Text() },
                [EntryHeaders.Tags] = new OpenApiHeader { Description = "The tags, percent-encoded, with commas between.", Schema = Text() },
            },
        };
        return Task.CompletedTask;
    });

    private static RouteHandlerBuilder Parameter(this RouteHandlerBuilder route, ParameterLocation where, string name, string description, bool isRequired) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            (operation.Parameters ??= []).Add(new OpenApiParameter { Name = name, In = where, Description = description, Required = isRequired, Schema = Text() });
            return Task.CompletedTask;
        });

    private static OpenApiSchema Text(string? format = null) => new() { Type = JsonSchemaType.String, Format = format };
}
